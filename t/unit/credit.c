/* SPDX-License-Identifier: MIT
 *
 * credit - how much goes back to the system of a program that gives up memory and takes it again.
 * The test sets the clock, and counts bytes that were given back and not time.
 */
#include "support/core.h"

/* The source itself is included, with the clock of the test. */
#define os_milliseconds test_milliseconds
#include "arena/retain.c"
#undef os_milliseconds

#include <arenite/arenite.h>

enum { LARGE = 128 * 1024, SMALL = 512, BLOCKS = 64 * 1024 * 1024 / SMALL };

static unsigned now = 1000 * 1000;
static char *block[BLOCKS];

unsigned test_milliseconds(void)
{
	return now;
}

/* Take so many MiB in blocks of one size.  This takes the time `ms`. */
static void take(size_t mib, size_t size, unsigned ms)
{
	for (size_t i = 0; i < mib * MIB / size; i++) {
		if (block[i])
			continue;
		block[i] = arn_mem_malloc(size);
		expect(block[i]);
		for (size_t page = 0; page < size; page += PAGE_MIN)
			block[i][page] = 1;
	}
	now += ms;
}

/* Drop all blocks but one in `one_in`; 0: all of them.  The time `ms` goes by before. */
static void drop(size_t one_in, unsigned ms)
{
	now += ms;
	for (size_t i = 0; i < BLOCKS; i++) {
		if (one_in && i % one_in == 0)
			continue;
		arn_free(block[i]);
		block[i] = NULL;
	}
}

/* Take and drop n times; the MiB that went back meanwhile. */
static size_t laps(unsigned n, size_t mib, size_t size, size_t one_in, unsigned ms)
{
	size_t purged = load_relaxed(&arena_counters.x_purged);

	while (n-- > 0) {
		take(mib, size, ms / 2);
		drop(one_in, ms - ms / 2);
	}
	return (load_relaxed(&arena_counters.x_purged) - purged) / MIB;
}

static size_t kept(void)
{
	return load_relaxed(&arena_counters.x_retained) / MIB;
}

/* Go through slow paths, as a thread that does not do much. */
static void work_a_little(unsigned ms)
{
	for (unsigned i = 0; i < 20; i++, now += ms / 20)
		for (unsigned k = 0; k < 8; k++)
			arn_free(arn_mem_malloc(LARGE));
}

/* Begin as at the start: nothing is kept, and a long time has gone by. */
static void begin(const char *what)
{
	drop(0, 0);
	no_errors("%s", what);
	arn_trim();
	now += 1000 * 1000;
}

/* ---- 64 MiB: 32 ms to get them again --------------------------------------------------------- */

static void test_tight(size_t size, size_t one_in, size_t once)
{
	size_t first = laps(1, 64, size, one_in, 60), second, later;

	ok(first >= once, "%zu bytes, dropped for the first time: %zu MiB go back at once", size,
	   first);
	second = laps(1, 64, size, one_in, 60);
	later = laps(20, 64, size, one_in, 60);
	ok(second <= 2 && later <= 40,
	   "half of the time would be for that: then it stays, but for %zu MiB, and %zu "
	   "in 20 laps",
	   second, later);
	begin("a tight loop");
}

static void test_costly(void)
{
	size_t first = laps(1, 64, LARGE, 0, 320), second = laps(1, 64, LARGE, 0, 320), later;

	later = laps(20, 64, LARGE, 0, 320);
	ok(first >= 56 && second >= 56 && later <= 8,
	   "a tenth of the time: it goes back twice, %zu and %zu MiB, "
	   "then %zu in 20 laps",
	   first, second, later);
	begin("a loop with work");
}

static void test_phases(size_t size, size_t one_in, size_t each)
{
	size_t least = SIZE_MAX;

	for (unsigned lap = 0; lap < 12; lap++)
		least = min_size(least, laps(1, 64, size, one_in, 1000));
	ok(least >= each && kept() <= 4,
	   "%zu bytes, 3 %% of the time: at least %zu MiB go back after each phase, "
	   "%zu stay",
	   size, least, kept());
	begin("phases");
}

/*
 * To get the memory again is half of the working time, but between a drop and the next build there
 * is nothing to do for a while.
 */
static void test_pauses(void)
{
	size_t least = SIZE_MAX;

	for (unsigned lap = 0; lap < 12; lap++, now += 150)
		least = min_size(least, laps(1, 64, LARGE, 0, 60));
	ok(least >= 56 && kept() <= 4,
	   "with pauses: at least %zu MiB go back before each, %zu stay", least, kept());
	begin("pauses");
}

static void test_end(void)
{
	size_t during;

	laps(10, 64, LARGE, 0, 60);
	work_a_little(60);
	during = kept();
	work_a_little(2 * 4 * 60);
	ok(during >= 48 && kept() <= 4,
	   "%zu MiB are kept for the next lap, %zu a while after the last", during, kept());
	begin("the end of a loop");
}

static void drop_first(size_t mib)
{
	for (size_t i = 0; i < mib * MIB / LARGE; i++) {
		arn_free(block[i]);
		block[i] = NULL;
	}
}

/*
 * A build that drops and takes a little all the time, as growing arrays do, and then a drop of all
 * of it.
 */
static void test_larger(void)
{
	size_t stays = 0;

	for (unsigned lap = 0; lap < 6; lap++, now += 1000) {
		take(96, LARGE, 200);
		for (unsigned turn = 0; turn < 6; turn++) {
			drop_first(16);
			take(96, LARGE, 20);
		}
		drop(0, 20);
		stays = max_size(stays, kept());
	}
	ok(stays <= 8, "a drop far larger than the turns: %zu MiB stay", stays);
	begin("a larger drop");
}

static void test_less(void)
{
	laps(10, 64, LARGE, 0, 60);
	laps(20, 24, LARGE, 0, 30);
	ok(kept() <= 40, "a loop that needs less keeps less: %zu MiB", kept());
	ok(laps(10, 24, LARGE, 0, 30) <= 1, "and as much as it needs");
	begin("a loop of less");
}

/* A program that has run for long, and then comes to a loop. */
static void test_late(void)
{
	size_t later;

	take(64, LARGE, 100 * 1000);
	drop(0, 100 * 1000);
	laps(1, 4, LARGE, 0, 100 * 1000);
	laps(2, 64, LARGE, 0, 60);
	later = laps(10, 64, LARGE, 0, 60);
	ok(later <= 8, "a loop that begins late pays for one lap more, too, and %zu MiB after",
	   later);
	begin("a late loop");
}

int main(void)
{
	option_values[OPTION_RETAIN] = 8 * MIB;
	begin("at the start");
	test_tight(LARGE, 0, 56);
	test_tight(SMALL, 0, 48);
	test_tight(SMALL, 128, 32);
	test_costly();
	test_phases(LARGE, 0, 56);
	test_phases(SMALL, 128, 24);
	test_pauses();
	test_end();
	test_larger();
	test_less();
	test_late();
	return done();
}
