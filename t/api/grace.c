/* SPDX-License-Identifier: MIT
 *
 * api-grace - the provider of grace periods.  Here the test is the provider, and the only reader:
 * what a lock-free reader may still look at must not take another shape before the test says so.
 */
#include <arenite/arenite.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/again.h"
#include "support/tap.h"

enum { SMALL = 64, BLOCKS = 8192, OTHER = 1040, OTHERS = 2000, WORDS = SMALL / 8 };

static uint64_t goals, reached_up_to, asked;
/* ARENITE_RETAIN=0: pools leave their heap as they fall empty, and wait all the same */
static bool kept_nothing;
static size_t goal_bytes;

static uint64_t goal(size_t bytes)
{
	goal_bytes += bytes;
	return ++goals;
}

static bool reached(uint64_t goal)
{
	asked++;
	return goal <= reached_up_to;
}

static const struct arn_provider provider = { .goal = goal, .reached = reached };

static uint64_t *small[BLOCKS];
static char *other[OTHERS];

static void make_small(arn_heap *heap)
{
	for (size_t i = 0; i < BLOCKS; i++) {
		small[i] = arn_heap_malloc(heap, SMALL);
		for (size_t k = 0; k < WORDS; k++)
			small[i][k] = 0x5eed000000000000u + i * WORDS + k;
	}
}

static void free_small(void)
{
	for (size_t i = 0; i < BLOCKS; i++)
		arn_free(small[i]);
}

static int compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return (x > y) - (x < y);
}

/* How many of the small blocks lie within one of the others. */
static size_t overlaps(size_t others)
{
	size_t found = 0;

	qsort(other, others, sizeof *other, compare);
	for (size_t i = 0; i < BLOCKS; i++) {
		/* the last other block at or below the small one's end */
		size_t from = 0, to = others;

		while (from < to) {
			size_t middle = (from + to) / 2;

			if (other[middle] < (char *)small[i] + SMALL)
				from = middle + 1;
			else
				to = middle;
		}
		found += from && other[from - 1] + OTHER > (char *)small[i];
	}
	return found;
}

static void make_other(arn_heap *heap)
{
	for (size_t i = 0; i < OTHERS; i++)
		memset(other[i] = arn_heap_malloc(heap, OTHER), 0xff, OTHER);
}

static void free_other(void)
{
	for (size_t i = 0; i < OTHERS; i++)
		arn_free(other[i]);
}

/* A block as it was, or zero where its page went back to the system. */
static size_t spoilt_words(void)
{
	size_t spoilt = 0;

	for (size_t i = 0; i < BLOCKS; i++)
		for (size_t k = 0; k < WORDS; k++)
			spoilt += small[i][k] != 0x5eed000000000000u + i * WORDS + k &&
			          small[i][k] != 0;
	return spoilt;
}

static void test_wait(unsigned tag, const char *name)
{
	arn_family *family = arn_family_new(&provider);
	arn_heap heap, second;

	goals = reached_up_to = asked = goal_bytes = 0;
	arn_heap_init(&heap, family, tag);
	arn_heap_init(&second, NULL, ARN_TAG_MEM);
	make_small(&heap);
	ok(!goals, "%s: no goal while the blocks live", name);
	free_small();
	ok(kept_nothing || (goals && goal_bytes >= BLOCKS * SMALL / 2),
	   "%s: goals when pools fall empty: %llu, for %zu KiB", name, (unsigned long long)goals,
	   goal_bytes / 1024);
	ok(!spoilt_words(), "%s: freed blocks keep their words", name);
	make_other(&heap);
	ok(!overlaps(OTHERS), "%s: no other size in their place before the goal", name);
	free_other();
	make_other(&second);
	ok(!overlaps(OTHERS), "%s: nor a block of another heap", name);
	free_other();
	arn_trim();
	make_other(&second);
	ok(!overlaps(OTHERS), "%s: nor after arn_trim", name);
	free_other();
	ok(!spoilt_words(), "%s: and the words are still there", name);
	arn_heap_abandon(&heap);
	make_other(&second);
	ok(!overlaps(OTHERS), "%s: nor when the heap is an orphan", name);
	free_other();
	ok(!spoilt_words(), "%s: with its words", name);
	arn_heap_abandon(&second);
}

/* The opposite: once the goal is reached the memory must serve others, else it is lost. */
static void test_after(unsigned tag, const char *name)
{
	arn_family *family = arn_family_new(&provider);
	arn_heap heap;

	goals = reached_up_to = 0;
	arn_heap_init(&heap, family, tag);
	make_small(&heap);
	free_small();
	reached_up_to = UINT64_MAX;
	make_other(&heap);
	free_other();
	make_other(&heap);
	ok(overlaps(OTHERS) > 0, "%s: after the goal another size takes the place: %zu blocks",
	   name, overlaps(OTHERS));
	free_other();
	arn_heap_abandon(&heap);
}

/* The same size may come back at once: that is what the pool is kept for. */
static void test_same_size(unsigned tag, const char *name)
{
	arn_family *family = arn_family_new(&provider);
	struct arn_stats before, after;
	arn_heap heap;

	goals = reached_up_to = 0;
	arn_heap_init(&heap, family, tag);
	make_small(&heap);
	free_small();
	arn_stats_read(&before, sizeof(before));
	make_small(&heap);
	arn_stats_read(&after, sizeof(after));
	ok(kept_nothing || after.claimed_bytes <= before.claimed_bytes,
	   "%s: the same size is reused before the goal", name);
	free_small();
	arn_heap_abandon(&heap);
}

/* Nobody reads freed buffers: MEM asks for no goal. */
static void test_mem(void)
{
	arn_family *family = arn_family_new(&provider);
	arn_heap heap;

	goals = reached_up_to = asked = 0;
	arn_heap_init(&heap, family, ARN_TAG_MEM);
	make_small(&heap);
	free_small();
	make_other(&heap);
	ok(!goals && !asked, "mem: neither goal nor question");
	free_other();
	make_other(&heap);
	free_other();
	arn_heap_abandon(&heap);
}

static void test_all(void)
{
	static const struct {
		unsigned tag;
		const char *name;
	} waiting[] = {
		{ ARN_TAG_OBJECT, "object" },
		{ ARN_TAG_GC, "gc" },
		{ ARN_TAG_GC_PRE, "gc_pre" },
	};

	for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++) {
		test_wait(waiting[i].tag, waiting[i].name);
		test_same_size(waiting[i].tag, waiting[i].name);
		test_after(waiting[i].tag, waiting[i].name);
	}
	test_mem();
}

/* Options are read at start: once with all that is free kept, once with nothing. */
int main(int argc, char **argv)
{
	const char *retain = getenv("ARENITE_RETAIN");

	(void)argc;
	if (!retain) {
		setenv("ARENITE_RETAIN", "1G", 1);
		execv("/proc/self/exe", argv);
	}
	kept_nothing = retain && strcmp(retain, "0") == 0;
	test_all();
	if (!kept_nothing)
		ok(again_with_retain(argv, "0", "0") == 0, "the same while nothing is kept");
	return done();
}
