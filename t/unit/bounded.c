/* SPDX-License-Identifier: MIT
 *
 * bounded - option LIMIT: what is resident in pools and kept for reuse stays below it, memory can
 * be used up to it, and memory that was dropped can be had again, in other sizes and by other
 * threads, whichever thread owned it.
 */
#include <arenite/arenite.h>
#include <pthread.h>
#include <string.h>

#include "support/tap.h"

#define MIB ((size_t)1 << 20)

enum { LIMIT_MIB = 64, BLOCKS = 1 << 20, ATTEMPTS = 3000, EACH = 300 };

/*
 * A provider as CPython's: it gives goals that have not been issued yet, and its one reader passes
 * now and then.
 */
static uint64_t issued = 1, passed = 1;

static uint64_t goal(size_t bytes)
{
	(void)bytes;
	return issued + 1;
}

static bool reached(uint64_t wanted)
{
	if (wanted > issued)
		issued = wanted;
	return wanted <= passed;
}

static const struct arn_provider provider = { .goal = goal, .reached = reached };

static void *block[BLOCKS];
static size_t count, highest;

/*
 * Note what is resident in pools and kept for reuse.  The library's own records are not in it, nor
 * what other threads write at the same time.
 */
static void note_resident(void)
{
	struct arn_resident resident;

	arn_stats_resident(&resident, sizeof(resident));
	if (resident.total - resident.metadata > highest)
		highest = resident.total - resident.metadata;
}

/* Allocate until there is no more memory, and return how many MiB that were. */
static size_t fill(arn_heap *heap, size_t low, size_t range)
{
	size_t bytes = 0;

	for (count = 0; count < BLOCKS; count++) {
		size_t size = low + count * 7919 % range;

		if (!(block[count] = arn_heap_malloc(heap, size)))
			break;
		memset(block[count], 1, size);
		bytes += size;
		if (count % 256 == 0)
			passed = issued;
	}
	note_resident();
	return bytes / MIB;
}

static void drop(void)
{
	while (count > 0)
		arn_free(block[--count]);
	passed = issued;
}

static unsigned attempts(arn_heap *heap)
{
	unsigned good = 0;

	for (unsigned i = 0; i < ATTEMPTS; i++) {
		size_t n = 0;

		while (n < EACH &&
		       (block[n] = arn_heap_malloc(heap, 16 + (i + n) * 7919 % 3000)) != NULL)
			n++;
		good += n == EACH;
		for (count = n; count > 0;)
			arn_free(block[--count]);
		passed = issued;
	}
	return good;
}

static void test_turns(arn_family *family, enum arn_tag tag)
{
	size_t large, small, again;
	unsigned good;
	arn_heap heap;

	arn_heap_init(&heap, family, tag);
	large = fill(&heap, MIB, 1);
	drop();
	small = fill(&heap, 100, 100);
	drop();
	good = attempts(&heap);
	again = fill(&heap, 20000, 40000);
	drop();
	ok(large >= LIMIT_MIB - 4, "tag %u: %zu MiB in blocks of 1 MiB", tag, large);
	ok(small >= LIMIT_MIB * 3 / 4 && again >= LIMIT_MIB * 3 / 4,
	   "all dropped: %zu MiB in small ones, %zu in others", small, again);
	ok(good == ATTEMPTS, "%u of %u attempts after that", good, ATTEMPTS);
	arn_heap_abandon(&heap);
}

/* ---- an owner that waits --------------------------------------------------------------------- */

static pthread_barrier_t meeting;

static void *own(void *unused)
{
	arn_heap heap;

	(void)unused;
	arn_heap_init(&heap, NULL, ARN_TAG_OBJECT);
	fill(&heap, 100, 400);
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	arn_heap_abandon(&heap);
	return NULL;
}

static void test_owner(void)
{
	size_t first, second;
	pthread_t thread;
	arn_heap heap;

	pthread_barrier_init(&meeting, NULL, 2);
	if (pthread_create(&thread, NULL, own, NULL) != 0)
		bail("pthread_create");
	pthread_barrier_wait(&meeting);
	drop();
	arn_heap_init(&heap, NULL, ARN_TAG_OBJECT);
	first = fill(&heap, 1000, 2000);
	drop();
	second = fill(&heap, 300000, 1);
	drop();
	ok(first >= LIMIT_MIB * 3 / 4 && second >= LIMIT_MIB * 3 / 4,
	   "freed to a thread that waits: another one gets %zu and %zu MiB", first, second);
	arn_heap_abandon(&heap);
	pthread_barrier_wait(&meeting);
	pthread_join(thread, NULL);
}

/* ---- single requests ------------------------------------------------------------------------- */

static void test_huge(void)
{
	void *huge[3];
	size_t good = 0;

	for (unsigned i = 0; i < 3; i++)
		good += (huge[i] = arn_mem_malloc(17 * MIB)) != NULL;
	ok(good == 3, "three blocks of 17 MiB");
	ok(!arn_mem_malloc(17 * MIB) && !arn_mem_malloc(65 * MIB),
	   "not four, and none beyond the limit");
	for (unsigned i = 0; i < 3; i++)
		arn_free(huge[i]);
}

static void test_shrink(void)
{
	arn_heap heap;
	char *last;

	arn_heap_init(&heap, NULL, ARN_TAG_MEM);
	fill(&heap, 1024, 1);
	last = block[count - 1];
	ok(!arn_heap_realloc(&heap, last, 2048) && arn_usable_size(last) == 1024,
	   "no memory to grow");
	ok(arn_heap_realloc(&heap, last, 100) == last && last[99] == 1,
	   "a block that shrinks stays where it is");
	drop();
	arn_heap_abandon(&heap);
}

int main(int argc, char **argv)
{
	arn_family *family;

	(void)argc;
	if (!getenv("ARENITE_LIMIT")) {
		setenv("ARENITE_LIMIT", "64M", 1);
		execv("/proc/self/exe", argv);
	}
	family = arn_family_new(&provider);
	test_turns(NULL, ARN_TAG_MEM);
	test_turns(family, ARN_TAG_OBJECT);
	test_turns(family, ARN_TAG_GC);
	test_owner();
	test_huge();
	test_shrink();
	ok(highest <= (LIMIT_MIB + 1) * MIB, "at most %zu KiB were resident", highest / 1024);
	return done();
}
