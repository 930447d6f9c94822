/* SPDX-License-Identifier: MIT
 *
 * idle - one heap makes objects and drops them, beside many that did so once and are idle.  The
 * provider gives goals as CPython does: most of them have not been issued when they are given, and
 * only a thread that waits for one issues it.
 *
 * What is claimed stays the same, lap after lap, however much may be kept.  What may be kept is not
 * faulted in again each time, and the idle heaps keep nothing that waits.
 */
#include <arenite/arenite.h>
#include <string.h>
#include <sys/resource.h>

#include "support/again.h"
#include "support/tap.h"

enum { IDLE = 300, BLOCKS = 20000, LAPS = 60, WARM_UP = 30 };

/* The sequence of CPython's QSBR.  There is one reader, the test itself, which passes now and
 * then. */
static uint64_t issued = 1, passed = 1, advances;
static size_t deferred;

static uint64_t goal(size_t bytes)
{
	deferred += bytes;
	if (deferred <= 80 * 1024)
		return issued + 1;
	deferred = 0;
	advances++;
	return ++issued;
}

static bool reached(uint64_t wanted)
{
	if (wanted > issued) {
		issued = wanted;
		advances++;
	}
	return wanted <= passed;
}

static void pass(void)
{
	passed = issued;
}

static const struct arn_provider provider = { .goal = goal, .reached = reached };

static arn_heap idle[IDLE][2];
static void *block[BLOCKS];

static size_t claimed(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats.claimed_bytes;
}

static size_t faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (size_t)usage.ru_minflt;
}

static void make(arn_heap *heap, size_t count, size_t low, size_t range)
{
	for (size_t i = 0; i < count; i++) {
		size_t size = low + i * 7919 % range;

		if (!(block[i] = arn_heap_malloc(heap, size)))
			bail("no memory");
		memset(block[i], 1, size);
		if (i % 64 == 0)
			pass();
	}
}

static void drop(size_t count)
{
	for (size_t i = 0; i < count; i++)
		arn_free(block[i]);
}

static void make_idle(arn_family *family)
{
	static const enum arn_tag tags[2] = { ARN_TAG_OBJECT, ARN_TAG_GC };

	for (size_t i = 0; i < IDLE; i++)
		for (size_t k = 0; k < 2; k++) {
			arn_heap_init(&idle[i][k], family, tags[k]);
			make(&idle[i][k], 50, 40, 100);
			drop(50);
		}
}

static void lap(arn_heap *heap)
{
	make(heap, BLOCKS, 200, 701);
	drop(BLOCKS);
	pass();
}

static void test_laps(arn_family *family, bool kept)
{
	size_t highest = 0, faulted, later = 0;
	uint64_t advanced;
	arn_heap heap;

	arn_heap_init(&heap, family, ARN_TAG_OBJECT);
	for (unsigned n = 0; n < WARM_UP; n++) {
		lap(&heap);
		highest = claimed() > highest ? claimed() : highest;
	}
	faulted = faults();
	advanced = advances;
	for (unsigned n = 0; n < LAPS; n++) {
		lap(&heap);
		later = claimed() > later ? claimed() : later;
	}
	faulted = (faults() - faulted) / LAPS;
	advanced = (advances - advanced) / LAPS;
	ok(later <= highest + (1 << 20),
	   "%d laps beside %d idle heaps: %zu KiB claimed, %zu before", LAPS, 2 * IDLE, later >> 10,
	   highest >> 10);
	ok(!kept || faulted <= 300, "%zu pages a lap are faulted in, of 2800", faulted);
	ok(advanced <= BLOCKS / 64, "the sequence is advanced %zu times a lap, for 180 pools",
	   (size_t)advanced);
	arn_heap_abandon(&heap);
}

/* A thread that makes a thousand calls makes all leave that idle heaps have left. */
static void test_left(arn_family *family, size_t before)
{
	struct arn_resident resident;
	arn_heap heap;

	arn_heap_init(&heap, family, ARN_TAG_OBJECT);
	for (unsigned i = 0; i < 1000; i++) {
		arn_free(arn_heap_malloc(&heap, 200000)); /* no pool cache has such blocks */
		pass();
	}
	arn_stats_resident(&resident, sizeof(resident));
	ok(claimed() - before <= 4 << 20, "a thousand calls of one heap: %zu KiB are claimed",
	   (claimed() - before) >> 10);
	ok(resident.waiting <= 1 << 20, "%zu KiB of what is resident waits",
	   resident.waiting >> 10);
	arn_heap_abandon(&heap);
}

/*
 * Options are read at the start of a process, so the test runs in two: once with room for what a
 * lap drops, and once with nothing kept.
 */
int main(int argc, char **argv)
{
	const char *retain = getenv("ARENITE_RETAIN");
	arn_family *family;
	size_t before;

	(void)argc;
	if (!retain) {
		setenv("ARENITE_RETAIN", "48M", 1);
		execv("/proc/self/exe", argv);
	}
	family = arn_family_new(&provider);
	before = claimed();
	make_idle(family);
	test_laps(family, strcmp(retain, "0") != 0);
	test_left(family, before);
	if (strcmp(retain, "0") != 0)
		ok(again_with_retain(argv, "0", "0") == 0, "the same while nothing is kept");
	return done();
}
