/* SPDX-License-Identifier: MIT
 *
 * peak - what is kept goes back when more is resident than ever, in Arenite or in the whole
 * process. The test sets the clock and the peak of the process.
 */
#include "support/core.h"

#define os_milliseconds  test_milliseconds
#define os_peak_resident test_peak_resident
#include "arena/peak.c"
#undef os_milliseconds
#undef os_peak_resident
size_t os_peak_resident(void); /* os.h has declared the other name */

#include <arenite/arenite.h>

enum { LARGE = 128 * 1024, BLOCKS = 512 };

static unsigned now = 1000, looks;
static size_t process;

unsigned test_milliseconds(void)
{
	return now;
}

size_t test_peak_resident(void)
{
	looks++;
	return process;
}

static size_t kept(void)
{
	return tally_read_all(&arena_counters.x_retained);
}

static char *take(size_t size)
{
	char *block = arn_mem_malloc(size);

	expect(block);
	for (size_t page = 0; page < size; page += PAGE_MIN)
		block[page] = 1;
	return block;
}

/* 64 MiB were in use, and half of them, one block beside the other, is kept: there is credit. */
static void keep_half(char **block)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		block[i] = take(LARGE);
	store_relaxed(&x_retain_credit, 128 * MIB);
	for (unsigned i = 0; i < BLOCKS; i += 2)
		arn_free(block[i]);
	process = 100 * MIB;
	now++;
	peak_look();
}

/* The next look at the process finds this peak.  Returns what is kept after it, in bytes. */
static size_t look_at(size_t peak)
{
	process = peak;
	now++;
	peak_look();
	return kept();
}

static void test_process(void)
{
	size_t before = kept(), last = before, after = before, most = 0;

	ok(look_at(100 * MIB) == before, "while the process does not grow, %zu MiB stay",
	   before / MIB);
	for (unsigned i = 0; i < 4; i++, last = after) {
		after = look_at((101 + i) * MIB);
		most = max_size(most, last - after);
	}
	ok(before - after >= 7 * MIB && before - after <= 12 * MIB && most <= 3 * MIB,
	   "it grows by 4 MiB in four looks: %zu MiB go back, %zu at most in one",
	   (before - after) / MIB, most / MIB);
	before = after;
	ok(look_at(104 * MIB + GROWTH_LEAST / 2) == before, "half a step is not looked at");
	after = look_at(104 * MIB + GROWTH_LEAST);
	ok(after < before, "two halves are");
	before = after;
	after = look_at(120 * MIB);
	ok(before - after <= 3 * MIB, "after a while without a look: %zu MiB at once",
	   (before - after) / MIB);
	ok(look_at(120 * MIB) == after, "and what grew before does not count any more");
}

static void test_clock(void)
{
	unsigned before = looks;

	now++;
	for (unsigned i = 0; i < 100; i++)
		peak_look();
	ok(looks == before + 1, "100 looks in a millisecond: the system is asked %u times",
	   looks - before);
}

/* Arenite has had more before, but then the others had less: a claim that needs new pages makes the
 * process grow. */
static void test_claim(void)
{
	size_t before, after;
	char *block;

	store_relaxed(&arena_counters.x_peak, 512 * MIB);
	look_at(process + 2 * GROWTH_LEAST);
	before = kept();
	block = take(8 * MIB);
	after = kept();
	ok(before - after >= 7 * MIB,
	   "8 MiB that are new, at the peak of the process: %zu MiB go back",
	   (before - after) / MIB);
	arn_free(block);
}

/* The others have less now: the process does not grow, though Arenite does. */
static void test_others(void)
{
	char *block[2] = { take(4 * MIB), NULL };
	size_t before;

	look_at(process);
	look_at(process);
	before = load_relaxed(&x_level);
	ok(before >= arena_resident(), "what the process has room for is not too much");
	arn_free(block[0]);
}

static void test_without(void)
{
	size_t before = kept();
	unsigned asked = looks;

	store_relaxed(&x_retain_credit, 0);
	look_at(process + 64 * MIB);
	ok(kept() == before && looks == asked && load_relaxed(&x_level) == SIZE_MAX,
	   "without credit the process is not looked at");
}

int main(void)
{
	static char *block[BLOCKS];

	keep_half(block);
	test_process();
	test_clock();
	test_claim();
	test_others();
	test_without();
	for (unsigned i = 1; i < BLOCKS; i += 2)
		arn_free(block[i]);
	no_errors("all together");
	ok(os_peak_resident() >= 16 * MIB, "the system tells the peak of the process");
	return done();
}
