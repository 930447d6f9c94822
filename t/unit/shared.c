/* SPDX-License-Identifier: MIT
 *
 * shared - how often the common paths write to cache lines that all threads share.
 *
 * What a path costs on a machine with many cores is decided by these lines: only one core at a time
 * can have one to write to it.  So each path has a bound here, in writes to shared lines for 100
 * operations, as the fast paths have one for their instructions (t/source/fastpath.sh).  Whoever
 * makes a path dearer says so here.
 *
 * There are 256 heaps, and as many threads that have a part of the sums of lib/arena/tally.h; one
 * of them runs at a time.  The program uses 256 MiB, so that its heaps may keep some of what falls
 * free.
 *
 *     shared.t           the bounds
 *     shared.t --lines   rows for t/bench/contention.awk: path, line, writes for 100 operations,
 *                        and the first access that wrote there
 */
#include "support/count.h"
#include "support/tap.h"

#include "heap/thread.h"

#include <arenite/arenite.h>
#include <pthread.h>
#include <string.h>

enum { HEAPS = 255, ROUNDS = 512, SMALL = 4096, FREED = 2048 };

static bool rows; /* --lines */

/* ---- a second thread, which does one thing at a time ----------------------------------------- */

static pthread_barrier_t begin, end;
static void (*task)(void);

static void *work(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_barrier_wait(&begin);
		if (!task)
			return NULL;
		task();
		pthread_barrier_wait(&end);
	}
}

/* The second thread does this, while the caller waits. */
static void elsewhere(void (*what)(void))
{
	task = what;
	pthread_barrier_wait(&begin);
	pthread_barrier_wait(&end);
}

/* ---- the paths: each returns the number of its operations ------------------------------------ */

static void *block[64 * 1024];

static struct heap *own(void)
{
	return thread_self()->heap[ARN_TAG_MEM].heap;
}

static unsigned long pairs(size_t size)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		arn_mem_free(arn_mem_malloc(size));
	return ROUNDS;
}

static void take(unsigned n, size_t size)
{
	for (unsigned i = 0; i < n; i++)
		block[i] = arn_mem_malloc(size);
}

static void give(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		arn_mem_free(block[i]);
}

/* Buffers of a program: four at a time, of sizes that differ. */
static unsigned long buffers(size_t most)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned k = 0; k < 4; k++)
			block[k] = arn_mem_malloc(most - (i + k) % 4 * (most / 16));
		give(4);
	}
	return 4 * ROUNDS;
}

/* Swings that are larger than the bin, in pools that have live blocks, too: refills and flushes. */
static unsigned long swings(size_t size)
{
	unsigned paths = load_relaxed(&own()->x_slow_paths);

	for (unsigned i = 0; i < 64; i++) {
		take(SMALL, size);
		give(SMALL);
	}
	return load_relaxed(&own()->x_slow_paths) - paths;
}

/* Pools are claimed and released, n of them each time. */
static unsigned long come_and_go(unsigned n, size_t size)
{
	for (unsigned i = 0; i < ROUNDS / n; i++) {
		take(n * (unsigned)(SLICE / size), size);
		give(n * (unsigned)(SLICE / size));
	}
	return 2 * ROUNDS;
}

static unsigned long pools(size_t size)
{
	return come_and_go(8, size);
}

static unsigned long drops(size_t size)
{
	return come_and_go(64, size);
}

/* More than a heap keeps. */
static unsigned long large_drops(size_t size)
{
	return come_and_go(256, size);
}

/* Pools of objects, which wait for readers: those are done some pools later. */
enum { LATER = 20 };
static uint64_t given;

static uint64_t goal(size_t bytes)
{
	return given += bytes > 0;
}

static bool reached(uint64_t wanted)
{
	return wanted + LATER <= given;
}

static unsigned long objects_come_and_go(unsigned n, size_t size)
{
	static const struct arn_provider provider = { .goal = goal, .reached = reached };
	static arn_heap heap;

	if (!heap.heap)
		arn_heap_init(&heap, arn_family_new(&provider), ARN_TAG_OBJECT);
	for (unsigned i = 0; i < ROUNDS / n; i++) {
		for (unsigned k = 0; k < n * SLICE / size; k++)
			block[k] = arn_heap_malloc(&heap, i % 2 ? size : size / 2);
		give(n * (unsigned)(SLICE / size));
	}
	return 2 * ROUNDS;
}

static unsigned long objects(size_t size)
{
	return objects_come_and_go(8, size);
}

static unsigned long object_drops(size_t size)
{
	return objects_come_and_go(32, size);
}

/* What is taken stays. */
static unsigned long growth(size_t size)
{
	take(ROUNDS * (unsigned)(SLICE / size), size);
	return ROUNDS;
}

static void give_all(void)
{
	give(FREED);
}

/* Blocks of the first thread are freed by the second one, and taken home. */
static unsigned long remote(size_t size)
{
	for (unsigned i = 0; i < 16; i++) {
		take(FREED, size);
		elsewhere(give_all);
	}
	return 16 * FREED;
}

static void *live(void *size)
{
	arn_mem_free(arn_mem_malloc((size_t)(uintptr_t)size));
	return NULL;
}

static unsigned long lives(size_t size)
{
	for (unsigned i = 0; i < 64; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, live, (void *)(uintptr_t)size);
		pthread_join(thread, NULL);
	}
	return 64;
}

/* ---- the bounds ------------------------------------------------------------------------------ */

static const struct path {
	const char *name;
	unsigned long (*run)(size_t size);
	size_t size;
	unsigned most; /* writes to shared lines for 100 operations */
} paths[] = {
	{ "small pair", pairs, 64, 0 },
	{ "pair of 64 KiB", pairs, 64 * KIB, 12 },
	{ "pair of 100 KiB", pairs, 100 * KIB, 12 },
	{ "pair of 128 KiB", pairs, 128 * KIB, 12 },
	{ "pair of 512 KiB", pairs, 512 * KIB, 12 },
	{ "pair of 1 MiB", pairs, MIB, 12 },
	{ "four buffers up to 1 MiB", buffers, MIB, 12 },
	{ "refill or flush", swings, 64, 6 },
	{ "8 pools of one slice come and go, each", pools, 8 * KIB, 6 },
	{ "64 pools of one slice come and go, each", drops, 8 * KIB, 6 },
	{ "256 pools of one slice come and go, each", large_drops, 8 * KIB, 220 },
	{ "8 pools of objects come and go, each", objects, 8 * KIB, 6 },
	{ "32 pools of objects come and go, each", object_drops, 8 * KIB, 6 },
	{ "growth by pools of one slice, each", growth, 8 * KIB, 200 },
	{ "remote free and drain, 64 bytes", remote, 64, 1 },
	{ "remote free and drain, 1 KiB", remote, KIB, 13 },
	{ "a thread's start and end", lives, 64, 440 },
};

static double for_100(unsigned long n, unsigned long operations)
{
	return 100.0 * (double)n / (double)operations;
}

/* The first line before this one that was first written to by the same access; itself, if there is
 * none.  Lines of other threads' pools are many, and alike. */
static unsigned first_alike(unsigned line)
{
	unsigned i = 0;

	while (count_line[i].place != COUNT_ANOTHERS || count_line[i].what != count_line[line].what)
		i++;
	return i;
}

/* Lines that all threads share have a row each; those of other threads' pools that are alike share
 * one. */
static void print_rows(const struct path *path, unsigned long operations)
{
	unsigned long alike[COUNT_LINES] = { 0 };

	printf("%s\town\t%.2f\n", path->name, for_100(count_writes[COUNT_OWN], operations));
	for (unsigned i = 0; i < count_lines; i++)
		alike[count_line[i].place == COUNT_ANOTHERS ? first_alike(i) : i] +=
			count_line[i].writes;
	for (unsigned i = 0; i < count_lines; i++)
		if (alike[i])
			printf("%s\t%s%u\t%.2f\t%s: %s\n", path->name,
			       count_line[i].place == COUNT_SHARED ? "shared" : "another", i,
			       for_100(alike[i], operations), count_line[i].function,
			       count_line[i].what);
}

/* The path runs twice: the first time is not counted, since it takes what is not there yet. */
static void check(const struct path *path)
{
	unsigned long operations;

	path->run(path->size);
	count_start();
	operations = path->run(path->size);
	count_stop();
	if (rows) {
		print_rows(path, operations);
		return;
	}
	ok(operations > 0 && for_100(count_writes[COUNT_SHARED], operations) <= path->most,
	   "%s: %.1f writes to shared lines for 100, at most %u (changes: %.1f shared, %.1f "
	   "another's, %.1f own)",
	   path->name, for_100(count_writes[COUNT_SHARED], operations), path->most,
	   for_100(count_changes[COUNT_SHARED], operations),
	   for_100(count_changes[COUNT_ANOTHERS], operations),
	   for_100(count_changes[COUNT_OWN], operations));
}

/* What takes all slices of an arena, and hides it, must be seen to write to shared lines. */
static void check_the_count(void)
{
	count_start();
	arn_trim();
	count_stop();
	ok(count_changes[COUNT_SHARED] > 0 &&
	           count_writes[COUNT_SHARED] > count_changes[COUNT_SHARED],
	   "the count itself: a trim does %lu changes, and %lu writes to shared lines",
	   count_changes[COUNT_SHARED], count_writes[COUNT_SHARED]);
}

/* Every second one of many small blocks stays, so that pools do not fall empty. */
static void keep_some(void)
{
	for (unsigned i = 0; i < array_length(block); i++)
		block[i] = arn_mem_malloc(64);
	for (unsigned i = 0; i < array_length(block); i += 2)
		arn_mem_free(block[i]);
}

int main(int argc, char **argv)
{
	static arn_heap heap[HEAPS];
	static struct tally_part part[HEAPS];
	pthread_t second;
	void *large;

	rows = argc == 2 && !strcmp(argv[1], "--lines");
	for (unsigned i = 0; i < HEAPS; i++) {
		tally_new_part(&part[i]);
		arn_heap_init(&heap[i], NULL, ARN_TAG_MEM);
		arn_free(arn_heap_malloc(&heap[i], 64));
	}
	keep_some();
	large = arn_mem_malloc(256 * MIB);
	pthread_barrier_init(&begin, NULL, 2);
	pthread_barrier_init(&end, NULL, 2);
	if (pthread_create(&second, NULL, work, NULL) != 0)
		bail("pthread_create");
	for (size_t i = 0; i < array_length(paths); i++)
		check(&paths[i]);
	if (!rows)
		check_the_count();
	task = NULL;
	pthread_barrier_wait(&begin);
	pthread_join(second, NULL);
	arn_free(large);
	return rows ? 0 : done();
}
