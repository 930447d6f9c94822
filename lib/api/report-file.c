/* SPDX-License-Identifier: MIT
 *
 * report-file.c - the file of ARENITE_STATS=json:FILE.
 *
 * A reader finds either the old text or the new one, never a part of it: the text is made in
 * memory, written to a new file in the same directory, and that file is renamed.  What is not a
 * regular file, such as a pipe, a terminal or /dev/null, is opened and written to.  A symbolic link
 * is not followed, since it may be somebody else's.  The names of the process's own descriptors,
 * such as /dev/stderr and /dev/fd/3, are links as well: they are taken to mean the descriptors.
 */
#include "api/report.h"

#include "base/base.h"
#include "base/text.h"

#include <arenite/arenite.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * In the name, %p stands for the number of the process and %% for %.  false: the path is too long,
 * and errno says so.
 */
static bool expand(const char *name, char path[PATH_MAX])
{
	struct text number = { 0 };
	size_t length = 0;

	text_add_number(&number, (size_t)getpid());
	for (; *name && length < PATH_MAX - sizeof("18446744073709551615"); name++) {
		if (name[0] == '%' && name[1] == 'p') {
			memcpy(path + length, number.bytes, number.length);
			length += number.length;
			name++;
			continue;
		}
		name += name[0] == '%' && name[1] == '%';
		path[length++] = *name;
	}
	path[length] = '\0';
	errno = ENAMETOOLONG;
	return *name == '\0';
}

/* The descriptor of this process that is meant by the name; -1: it is a name of another kind. */
static int descriptor_of(const char *path)
{
	static const char *const directories[] = { "/dev/fd/", "/proc/self/fd/" };

	if (strcmp(path, "/dev/stdout") == 0)
		return STDOUT_FILENO;
	if (strcmp(path, "/dev/stderr") == 0)
		return STDERR_FILENO;
	for (size_t i = 0; i < array_length(directories); i++) {
		const char *number = path + strlen(directories[i]);

		if (strncmp(path, directories[i], strlen(directories[i])) == 0 && *number &&
		    strspn(number, "0123456789") == strlen(number) && strlen(number) < 9)
			return atoi(number);
	}
	return -1;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno != EINTR)
			return false;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool copy(int to, int from)
{
	char bytes[8192];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		if (!write_all(to, bytes, (size_t)n))
			return false;
	return n == 0;
}

/*
 * Copy one file to another and close the target, since a full disk may be noticed only then.
 * false: errno says why.
 */
static bool copy_and_close(int to, int from)
{
	bool done = copy(to, from);
	int error = errno;

	if (close(to) != 0)
		return false;
	errno = error;
	return done;
}

/*
 * Write the text to a new file beside `path` and rename that to `path`.  If any step fails the new
 * file is removed, `path` is as it was, and errno says why.
 */
static bool write_beside(const char *path, int text)
{
	char beside[PATH_MAX + 32];
	int fd, error;

	snprintf(beside, sizeof(beside), "%s.%d.new", path, (int)getpid());
	unlink(beside); /* left by a process that had this number and died */
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return false;
	if (copy_and_close(fd, text) && rename(beside, path) == 0)
		return true;
	error = errno;
	unlink(beside);
	errno = error;
	return false;
}

static bool write_in_place(const char *path, int text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);

	lseek(text, 0, SEEK_SET);
	return fd >= 0 && copy_and_close(fd, text);
}

/*
 * Did write_beside fail because of the directory, although the file itself may be written to?  A
 * process may lack the right to make files in the directory, or the file is mounted by itself and
 * so cannot be replaced.
 */
static bool is_for_want_of_directory(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == EBUSY;
}

/* An existing regular file is replaced if that is possible, and else overwritten. */
static bool write_path(const char *path, int text)
{
	struct stat status;
	bool exists = lstat(path, &status) == 0;

	if (exists && !S_ISREG(status.st_mode))
		return write_in_place(path, text);
	return write_beside(path, text) ||
	       (exists && is_for_want_of_directory(errno) && write_in_place(path, text));
}

/*
 * The text is made in a memfd, which needs no disk, and then copied to wherever it is to go.
 * false: errno says why.
 */
static bool write_to(const char *path)
{
	int descriptor = descriptor_of(path), text = memfd_create("arenite-stats", MFD_CLOEXEC);
	bool done;
	int error;

	if (text < 0)
		return false;
	arn_stats_json(text);
	lseek(text, 0, SEEK_SET);
	done = descriptor >= 0 ? copy(descriptor, text) : write_path(path, text);
	error = errno;
	close(text);
	errno = error;
	return done;
}

void report_write_file(const char *name)
{
	struct text text = { 0 };
	char path[PATH_MAX];

	if (expand(name, path) && write_to(path))
		return;
	text_add(&text, "cannot write statistics, ");
	text_add(&text, errno == ELOOP ? "this is a symbolic link" : strerror(errno));
	text_add(&text, ": ");
	text_add(&text, name);
	log_line(&text);
}
