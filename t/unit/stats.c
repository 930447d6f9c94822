/* SPDX-License-Identifier: MIT
 *
 * stats - the numbers are exact while no thread allocates, and possible while all do; text and JSON
 * show them.
 */
#include "support/core.h"

#include "heap/cache.h"
#include "base/mark.h"
#include "base/option.h"
#include "base/panic.h"
#include "heap/remote.h"
#include "api/report.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, LIVE = 300 };

struct live {
	void *block;
	unsigned tag;
};

static struct live lives[WORKERS][LIVE];
static atomic_bool stop;

static size_t some_size(struct rng *rng)
{
	return rng_below(rng, 20) ? rng_below(rng, 3000) : rng_below(rng, 300000);
}

static void step(struct live *live, struct rng *rng)
{
	if (live->tag == ARN_TAGS)
		arn_raw_free(live->block);
	else
		arn_free(live->block);
	live->tag = (unsigned)rng_below(rng, 3);
	live->block = live->tag == ARN_TAG_MEM      ? arn_mem_malloc(some_size(rng))
	              : live->tag == ARN_TAG_OBJECT ? arn_obj_malloc(some_size(rng))
	                                            : arn_raw_malloc(some_size(rng));
	live->tag = live->tag == 2 ? ARN_TAGS : live->tag;
}

static void drop(struct live *live)
{
	if (live->tag == ARN_TAGS)
		arn_raw_free(live->block);
	else
		arn_free(live->block);
	*live = (struct live){ 0 };
}

/* ---- exact while nobody allocates ------------------------------------------------------------ */

static void count_lives(struct arn_stats *wanted)
{
	memset(wanted, 0, sizeof(*wanted));
	for (unsigned i = 0; i < WORKERS * LIVE; i++) {
		const struct live *live = &lives[i / LIVE][i % LIVE];

		if (!live->block || live->tag == ARN_TAGS)
			continue;
		wanted->tag[live->tag].live_blocks++;
		wanted->tag[live->tag].live_bytes += arn_usable_size(live->block);
	}
}

static bool is_exact(void)
{
	struct arn_stats stats, wanted;
	bool exact = true;

	count_lives(&wanted);
	arn_stats_read(&stats, sizeof(stats));
	for (unsigned tag = 0; tag < 2; tag++) {
		const struct arn_stats_tag *is = &stats.tag[tag], *want = &wanted.tag[tag];

		exact &= is->live_blocks == want->live_blocks && is->live_bytes == want->live_bytes;
		exact &= is->live_bytes + is->cached_bytes + is->remote_bytes <= is->pool_bytes;
		exact &= (is->cached_blocks == 0) == (is->cached_bytes == 0);
		exact &= (is->remote_blocks == 0) == (is->remote_bytes == 0);
		if (!exact)
			note("tag %u: %zu blocks of %zu, %zu bytes of %zu", tag, is->live_blocks,
			     want->live_blocks, is->live_bytes, want->live_bytes);
	}
	return exact && stats.claimed_bytes >= stats.tag[0].pool_bytes + stats.tag[1].pool_bytes &&
	       stats.claimed_bytes + stats.retained_bytes <= stats.arena_bytes &&
	       stats.orphan_heaps <= stats.heaps;
}

static void test_serial(void)
{
	struct rng rng = rng_start(1);
	struct arn_stats before, after;

	arn_stats_read(&before, sizeof(before));
	for (long i = tap_scale(40); i > 0; i--) {
		for (unsigned k = 0; k < 50; k++)
			step(&lives[0][rng_below(&rng, LIVE)], &rng);
		expect(is_exact());
	}
	no_errors("one thread: live blocks and bytes are exact");
	for (unsigned k = 0; k < LIVE; k++)
		drop(&lives[0][k]);
	arn_stats_read(&after, sizeof(after));
	ok(is_exact() &&
	           after.raw_mallocs - after.raw_frees == before.raw_mallocs - before.raw_frees &&
	           after.raw_live_bytes == before.raw_live_bytes,
	   "raw: as many freed as made");
	arn_trim();
	arn_stats_read(&after, sizeof(after));
	ok(after.tag[0].cached_blocks + after.tag[1].cached_blocks == 0 &&
	           after.tag[0].pools + after.tag[1].pools == 0 && after.claimed_bytes == 0 &&
	           after.retained_bytes == 0,
	   "nothing is left after arn_trim");
}

/* ---- with threads ---------------------------------------------------------------------------- */

/*
 * Free own blocks and, after a barrier, a neighbour's: remote frees are on their way at any time.
 */
static void use_and_check(unsigned self)
{
	struct rng rng = rng_start(10 + self);

	for (long i = tap_scale(20); i > 0; i--) {
		struct live *mine = lives[(self + (unsigned)i) % WORKERS];

		for (unsigned k = 0; k < 200; k++)
			step(&mine[rng_below(&rng, LIVE)], &rng);
		barrier();
		if (self == 0)
			expect(is_exact());
		barrier();
	}
	for (unsigned k = 0; k < LIVE; k++)
		drop(&lives[self][k]);
}

static bool is_possible(const struct arn_stats *stats)
{
	const size_t bound = (size_t)1 << 40;

	for (unsigned tag = 0; tag < 2; tag++) {
		const struct arn_stats_tag *t = &stats->tag[tag];

		if (t->live_blocks > bound || t->live_bytes > bound || t->remote_bytes > bound ||
		    t->pool_bytes > bound)
			return false;
	}
	return stats->retained_bytes < bound && stats->claimed_bytes < bound &&
	       stats->arena_bytes < bound;
}

static void use_and_read(unsigned self)
{
	struct rng rng = rng_start(30 + self);
	struct arn_stats stats;

	if (self == 0) {
		for (long i = tap_scale(3000); i > 0; i--) {
			arn_stats_read(&stats, sizeof(stats));
			expect(is_possible(&stats));
		}
		atomic_store(&stop, true);
		return;
	}
	while (!atomic_load(&stop))
		step(&lives[self][rng_below(&rng, LIVE)], &rng);
	for (unsigned k = 0; k < LIVE; k++)
		drop(&lives[self][k]);
}

static void test_threads(void)
{
	yield_start(tap_seed(), 50);
	threads(WORKERS, use_and_check);
	no_errors("blocks made and freed by different threads: exact whenever they stand still");
	threads(WORKERS, use_and_read);
	yield_start(0, 0);
	no_errors("while all allocate: no number that cannot be");
	remote_flush();
	ok(is_exact(), "exact again at the end");
}

/* ---- how they are shown ---------------------------------------------------------------------- */

static char text[16384];

static const char *printed(void (*print)(int fd))
{
	char name[] = "/tmp/arenite-stats-XXXXXX";
	int fd = mkstemp(name);
	ssize_t n;

	if (fd < 0)
		bail("mkstemp");
	unlink(name);
	print(fd);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	close(fd);
	return text;
}

static size_t number_after(const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoul(at + strlen(key), NULL, 10) : SIZE_MAX;
}

static size_t count(char c)
{
	size_t n = 0;

	for (const char *p = text; *p; p++)
		n += *p == c;
	return n;
}

static void test_shown(void)
{
	struct arn_stats stats;
	void *block = arn_mem_malloc(5000);

	arn_stats_read(&stats, sizeof(stats));
	printed(arn_stats_json);
	ok(number_after("\"live_blocks\": ") == 1 && number_after("\"heaps\": ") == stats.heaps &&
	           number_after("\"arena_bytes\": ") == stats.arena_bytes,
	   "JSON has the numbers");
	ok(count('{') == count('}') && count('"') % 2 == 0 && !strstr(text, ",\n}") &&
	           !strstr(text, ",\n  }") && strstr(text, "\"gc_pre\": {"),
	   "and is closed, with every tag");
	printed(arn_stats_print);
	ok(strstr(text, "  mem") && strstr(text, "heaps without an owner") &&
	           count('\n') > ARN_TAGS + 8,
	   "the table has a line for each");
	arn_free(block);
}

/* ---- the file at exit ------------------------------------------------------------------------ */

static char directory[] = "/tmp/arenite-stats-XXXXXX";

static pid_t child(void (*run)(const char *file), const char *file)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		run(file);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		bail("a child of the test failed");
	return pid;
}

/* Take the file away; false: there was none. */
static bool take_file(const char *format, pid_t pid)
{
	char name[64];
	int length = snprintf(name, sizeof(name), "%s/", directory);

	snprintf(name + length, sizeof(name) - (size_t)length, format, (int)pid);
	return unlink(name) == 0;
}

static void use_path(const char *path)
{
	char value[PATH_MAX + 8];

	snprintf(value, sizeof(value), "json:%s", path);
	invariant(option_parse(OPTION_STATS, value));
	report_init();
	arn_mem_free(arn_mem_malloc(1)); /* a process that has used nothing writes nothing */
}

static void use_file(const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	use_path(path);
}

/*
 * Start a child and wait for its end.  It must not have written the file, which belongs to this
 * process.
 */
static void use_file_and_fork(const char *file)
{
	use_file(file);
	if (fork() == 0)
		exit(0);
	wait(NULL);
	if (take_file("all", 0))
		_exit(1);
}

static void inherit_file(const char *file)
{
	setenv(STATS_OWNER, "1", 1);
	option_init();
	use_file(file);
}

static void test_file(void)
{
	pid_t pid;

	if (!mkdtemp(directory))
		bail("mkdtemp");
	child(use_file, "all");
	ok(take_file("all", 0), "a file at exit");
	pid = child(use_file, "%p.%%p");
	ok(take_file("%d.%%p", pid), "%%p in its name is the process");
	child(use_file_and_fork, "all");
	ok(take_file("all", 0), "a forked child leaves it to its parent");
	child(inherit_file, "all");
	ok(!take_file("all", 0), "and so does a program that a process of ours has started");
	pid = child(inherit_file, "%p");
	ok(take_file("%d", pid), "but not when it has a file of its own");
	ok(rmdir(directory) == 0, "nothing else was written");
}

/* ---- what stands there already --------------------------------------------------------------- */

static char path[PATH_MAX], other[PATH_MAX];

static const char *in_directory(char *buffer, const char *name)
{
	snprintf(buffer, PATH_MAX, "%s/%s", directory, name);
	return buffer;
}

/* Is the file one whole text of ours, with nothing else in it? */
static bool is_json(const char *file)
{
	FILE *stream = fopen(file, "r");
	size_t length = stream ? fread(text, 1, sizeof(text) - 1, stream) : 0;

	text[length] = '\0';
	if (stream)
		fclose(stream);
	return length > 4 && text[0] == '{' && strcmp(text + length - 3, "\n}\n") == 0 &&
	       count('{') == count('}');
}

static bool holds(const char *file, const char *wanted)
{
	FILE *stream = fopen(file, "r");
	size_t length = stream ? fread(text, 1, sizeof(text) - 1, stream) : 0;

	text[length] = '\0';
	if (stream)
		fclose(stream);
	return stream && strcmp(text, wanted) == 0;
}

static void put(const char *file, const char *bytes)
{
	FILE *stream = fopen(file, "w");

	if (!stream || fputs(bytes, stream) < 0 || fclose(stream) != 0)
		bail("fopen");
}

static bool has_mode(const char *file, mode_t mode)
{
	struct stat status;

	return stat(file, &status) == 0 && (status.st_mode & 07777) == mode;
}

/* The line that the child has written to stderr, which is a file here. */
static const char *complaint_of(const char *file)
{
	int saved = dup(STDERR_FILENO),
	    fd = open(in_directory(other, "said"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	dup2(fd, STDERR_FILENO);
	child(use_path, file);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	close(fd);
	unlink(other);
	return text;
}

/*
 * A reader that has the file open keeps the old text, and one that opens it now finds the new text,
 * whole.
 */
static void test_replaced(void)
{
	int old;

	put(in_directory(path, "stats"), "old text\n");
	old = open(path, O_RDONLY);
	umask(027);
	child(use_path, path);
	umask(022);
	ok(is_json(path) && read(old, text, sizeof(text)) == 9 &&
	           memcmp(text, "old text\n", 9) == 0,
	   "a file is replaced, not written over");
	ok(has_mode(path, 0640), "its mode is what umask leaves");
	close(old);
	unlink(path);
}

static void test_link(void)
{
	put(in_directory(other, "precious"), "precious\n");
	if (symlink(other, in_directory(path, "link")) != 0)
		bail("symlink");
	ok(strstr(complaint_of(path), "symbolic link") && strstr(text, path),
	   "a symbolic link is refused");
	ok(holds(in_directory(other, "precious"), "precious\n"), "and what it leads to stays");
	unlink(path);
	unlink(other);
}

static void test_special(void)
{
	char out[PATH_MAX], name[64];
	int fd = open(in_directory(out, "log"), O_RDWR | O_CREAT | O_APPEND, 0600), ends[2];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	child(use_path, name);
	ok(is_json(out), "a descriptor, by its name in /proc");
	unlink(out);
	if (pipe(ends) != 0 || mkfifo(in_directory(path, "pipe"), 0600) != 0)
		bail("pipe");
	snprintf(name, sizeof(name), "/dev/fd/%d", ends[1]);
	child(use_path, name);
	n = read(ends[0], text, sizeof(text) - 1);
	ok(n > 4 && text[0] == '{' && text[n - 2] == '}', "a pipe, by its name in /dev");
	close(fd);
	fd = open(path, O_RDWR);
	child(use_path, path);
	n = read(fd, text, sizeof(text) - 1);
	ok(n > 4 && text[0] == '{' && text[n - 2] == '}', "a named pipe");
	close(fd);
	unlink(path);
	ok(!*complaint_of("/dev/null"), "/dev/null");
	complaint_of("/dev/stderr");
	ok(text[0] == '{' && text[strlen(text) - 2] == '}', "/dev/stderr");
}

static void test_failing(void)
{
	ok(strstr(complaint_of(in_directory(path, "none/stats")), "No such file"),
	   "no such directory: a line says so");
	if (access("/dev/full", W_OK) == 0)
		ok(strstr(complaint_of("/dev/full"), "No space"), "a full disk, too");
	else
		skip(1, "no /dev/full");
	in_directory(path, "");
	ok(strstr(complaint_of(path), "directory"), "and a directory");
	ok(rmdir(directory) == 0, "nothing is left of what failed");
}

static void test_what_is_there(void)
{
	strcpy(directory, "/tmp/arenite-stats-XXXXXX");
	if (!mkdtemp(directory))
		bail("mkdtemp");
	test_replaced();
	test_link();
	test_special();
	test_failing();
}

int main(void)
{
	test_file();
	test_what_is_there();
	test_serial();
	test_threads();
	test_shown();
	return done();
}
