/* SPDX-License-Identifier: MIT
 *
 * outside.c - the page is found by the link in /proc/PID/fd that leads to it.  A program may have
 * closed that descriptor: then the page is still mapped there, and is read through /proc/PID/mem,
 * for which the kernel asks for more rights.
 */
#include "cli/outside.h"

#include "cli/cli.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINK "/memfd:%s (deleted)"

/* ---- files in memory --------------------------------------------------------------------------
 */

static bool leads_to(const char *path, const char *link)
{
	char target[64];
	ssize_t n = readlink(path, target, sizeof(target));

	return n == (ssize_t)strlen(link) && memcmp(target, link, strlen(link)) == 0;
}

int outside_find(pid_t pid, const char *name, bool (*take)(int fd, void *arg), void *arg)
{
	char path[300], link[64];
	struct dirent *entry;
	bool taken = false;
	DIR *directory;

	snprintf(link, sizeof(link), LINK, name);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	if (!directory)
		return errno;
	while (!taken && (entry = readdir(directory))) {
		int fd = -1;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid, entry->d_name);
		if (leads_to(path, link))
			fd = open(path, O_RDONLY | O_CLOEXEC);
		taken = fd >= 0 && take(fd, arg);
		if (fd >= 0 && !taken)
			close(fd);
	}
	closedir(directory);
	return 0;
}

/* ---- the page -------------------------------------------------------------------------------- */

static bool map_page(int fd, void *arg)
{
	struct outside *process = arg;
	struct stat status;
	void *page = MAP_FAILED;

	if (fstat(fd, &status) == 0 && status.st_size >= (off_t)sizeof(struct arn_page))
		page = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return false;
	if (!arn_page_is_valid(page, (size_t)status.st_size)) {
		munmap(page, (size_t)status.st_size);
		return false;
	}
	close(fd);
	process->page = page;
	process->size = (size_t)status.st_size;
	return true;
}

static FILE *open_file(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

/* A copy of the page is made; its checksum tells whether it was written to meanwhile. */
static bool copy_page(struct outside *process)
{
	return pread(process->memory, (void *)(uintptr_t)process->page, process->size,
	             process->address) == (ssize_t)process->size &&
	       arn_page_is_valid(process->page, process->size);
}

static bool use_mapping(struct outside *process, uint64_t begin, uint64_t end)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)process->pid);
	process->memory = open(path, O_RDONLY | O_CLOEXEC);
	process->size = (size_t)(end - begin);
	process->address = (off_t)begin;
	process->page = malloc(process->size);
	if (process->memory >= 0 && process->page && copy_page(process))
		return true;
	outside_close(process);
	return false;
}

static void find_mapping(struct outside *process)
{
	FILE *maps = open_file(process->pid, "maps");
	char line[512], link[64];
	uint64_t begin, end;

	snprintf(link, sizeof(link), LINK, ARN_PAGE_NAME);
	while (maps && !process->page && fgets(line, sizeof(line), maps))
		if (strstr(line, link) && sscanf(line, "%" SCNx64 "-%" SCNx64, &begin, &end) == 2)
			use_mapping(process, begin, end);
	if (maps)
		fclose(maps);
}

/* ---- what the kernel says -------------------------------------------------------------------- */

static uint64_t bytes_of(const char *line, const char *name)
{
	size_t length = strlen(name);

	return strncmp(line, name, length) == 0 ? strtoull(line + length, NULL, 10) * 1024 : 0;
}

static bool read_status(struct outside *process)
{
	FILE *status = open_file(process->pid, "status");
	char line[256];

	if (!status)
		return false;
	process->rss = process->anonymous = process->files = process->peak_rss = 0;
	while (fgets(line, sizeof(line), status)) {
		process->rss += bytes_of(line, "VmRSS:");
		process->anonymous += bytes_of(line, "RssAnon:");
		process->files += bytes_of(line, "RssFile:") + bytes_of(line, "RssShmem:");
		process->peak_rss += bytes_of(line, "VmHWM:");
	}
	fclose(status);
	return true;
}

static void read_program(struct outside *process)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)process->pid);
	n = readlink(path, process->program, sizeof(process->program) - 1);
	process->program[n > 0 ? n : 0] = '\0';
}

static const char *name_of(const struct outside *process, uint32_t row)
{
	return arn_page_row(process->page, row)->name;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A value is written every 100 ms at most, so that a second try hardly ever fails. */
static bool read_values(struct outside *process)
{
	for (unsigned tries = 0; tries < 1000; tries++) {
		if (process->memory >= 0 && !copy_page(process))
			return false;
		if (arn_page_copy(process->page, process->value, process->rows)) /* W3 */
			return true;
	}
	return false;
}

/*
 * The causes for which memory is resident are reckoned from counters, and a page may be older than
 * what the kernel says.  So together they are cut to what the kernel counts, the last ones first.
 */
static void fit_resident(struct outside *process)
{
	uint64_t rest = process->anonymous;

	for (uint32_t i = 0; i < process->rows; i++) {
		if (strncmp(name_of(process, i), "resident_bytes.", 15) != 0)
			continue;
		if (process->value[i] > rest)
			process->value[i] = rest;
		rest -= process->value[i];
	}
}

bool outside_read(struct outside *process)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)process->pid);
	if (access(path, F_OK) != 0 || !read_values(process) || !read_status(process))
		return false;
	fit_resident(process);
	return true;
}

void outside_close(struct outside *process)
{
	if (process->memory >= 0)
		close(process->memory);
	if (process->memory >= 0 || process->address)
		free((void *)(uintptr_t)process->page);
	else if (process->page)
		munmap((void *)(uintptr_t)process->page, process->size);
	process->page = NULL;
	process->memory = -1;
	process->address = 0;
}

const char *outside_open(struct outside *process, pid_t pid)
{
	int error;

	memset(process, 0, sizeof(*process));
	process->pid = pid;
	process->memory = -1;
	error = outside_find(pid, ARN_PAGE_NAME, map_page, process);
	if (error)
		return error == ENOENT ? "there is no such process" : strerror(error);
	if (!process->page)
		find_mapping(process);
	if (!process->page)
		return "it does not use Arenite, or ARENITE_PAGE is 0 there";
	process->rows = process->page->rows < OUTSIDE_ROWS ? process->page->rows : OUTSIDE_ROWS;
	read_program(process);
	if (outside_read(process))
		return NULL;
	outside_close(process);
	return "its page cannot be read";
}

/* ---- rows ------------------------------------------------------------------------------------ */

uint64_t outside_value(const struct outside *process, const char *name)
{
	for (uint32_t i = 0; i < process->rows; i++)
		if (strcmp(name_of(process, i), name) == 0)
			return process->value[i];
	return 0;
}

uint64_t outside_sum(const struct outside *process, const char *name)
{
	size_t length = strlen(name);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < process->rows; i++)
		if (strncmp(name_of(process, i), name, length) == 0 &&
		    name_of(process, i)[length] == '.')
			sum += process->value[i];
	return sum;
}

uint64_t outside_other(const struct outside *process)
{
	uint64_t arenite = outside_sum(process, "resident_bytes");

	return process->anonymous > arenite ? process->anonymous - arenite : 0;
}

/* ---- all processes --------------------------------------------------------------------------- */

static int by_pid(const void *a, const void *b)
{
	const struct outside *one = a, *other = b;

	return (one->pid > other->pid) - (one->pid < other->pid);
}

bool outside_parse(const char *word, pid_t *pid)
{
	char *end;
	long number = strtol(word, &end, 10);

	*pid = (pid_t)number;
	if (number > 0 && number <= INT_MAX && *end == '\0')
		return true;
	cli_error("\"%s\" is not the number of a process", word);
	return false;
}

size_t outside_open_all(struct outside *processes, size_t most)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	while (directory && n < most && (entry = readdir(directory)))
		if (isdigit((unsigned char)*entry->d_name) && atoi(entry->d_name) != getpid() &&
		    !outside_open(&processes[n], atoi(entry->d_name)))
			n++;
	if (directory)
		closedir(directory);
	qsort(processes, n, sizeof(*processes), by_pid);
	return n;
}
