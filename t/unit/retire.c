/* SPDX-License-Identifier: MIT
 *
 * retire - what is kept of slices that were released, and when arenas leave.
 */
#include "support/core.h"
#include "support/arenas.h"

#include "arena/purge.h"
#include "arena/retain.h"
#include "arena/retire.h"
#include "arena/supply.h"
#include "base/option.h"

/* ---- what is kept ---------------------------------------------------------------------------- */

/* The option bounds what is kept, without a call that asks for a purge. */
static void test_retention(void)
{
	struct arena_totals totals;
	static struct run runs[900];

	option_parse(OPTION_RETAIN, "16M");
	option_parse(OPTION_RETAIN_PERCENT, "10");
	for (unsigned i = 0; i < array_length(runs); i++)
		expect(supply_claim(1, &runs[i]));
	for (unsigned i = 0; i < array_length(runs); i++)
		supply_release(runs[i].arena, runs[i].first, 1, 1);
	arena_totals(&totals);
	ok(totals.retained <= 16 * MIB, "of 56 MiB released, %zu KiB are retained",
	   totals.retained / KIB);
	expect_none_after_trim();
	no_errors("nothing is left");
}

/*
 * A program gives up memory and takes it again, over and over: its pages do not go back to the
 * system each time.
 */
static void test_credit(void)
{
	static struct run runs[1600];
	struct arena_totals totals;
	size_t kept = 0;

	option_parse(OPTION_RETAIN, "8M");
	for (unsigned turn = 0; turn < 6; turn++) {
		for (unsigned i = 0; i < array_length(runs); i++) {
			expect(supply_claim(1, &runs[i]));
			retain_note_fault(runs[i].clean * SLICE);
		}
		for (unsigned i = 0; i < array_length(runs); i++)
			supply_release(runs[i].arena, runs[i].first, 1, 1);
		arena_totals(&totals);
		expect(turn > 0 || totals.retained <= 4 * MIB);
		kept = totals.retained;
	}
	ok(kept >= 64 * MIB, "after some turns of 100 MiB, %zu MiB are kept", kept / MIB);
	retain_forget();
	/* each call gives back a batch */
	for (unsigned i = 0; i < 100 * MIB / PURGE_BATCH; i++) {
		expect(supply_claim(1, &runs[0]));
		supply_release(runs[0].arena, runs[0].first, 1, 1);
	}
	arena_totals(&totals);
	ok(totals.retained <= 4 * MIB, "without more of them, %zu KiB", totals.retained / KIB);
	expect_none_after_trim();
	no_errors("nothing is left");
}

/* ---- arenas leave ---------------------------------------------------------------------------- */

/* Releases the runs, the last one first: what is kept of an arena goes back while the next one
 * falls free.  Returns the most that one of these calls gave back. */
static size_t most_purged(struct run *runs, unsigned n)
{
	size_t most = 0;

	for (unsigned i = n; i-- > 0;) {
		size_t before = load_relaxed(&arena_counters.x_purged);

		supply_release(runs[i].arena, runs[i].first, 1, 1);
		most = max_size(most, load_relaxed(&arena_counters.x_purged) - before);
	}
	return most;
}

/* Eight arenas fall free, two of which may be kept.  The others leave, and no call gives back the
 * pages of a whole one. */
static void test_bounded_release(void)
{
	enum { ALL = 8 * (ARENA_END - ARENA_HEAD) };
	static struct run runs[ALL];
	size_t most;

	option_parse(OPTION_RETAIN, "64M");
	for (unsigned i = 0; i < ALL; i++)
		expect(supply_claim(1, &runs[i]));
	most = most_purged(runs, ALL);
	ok(most <= PURGE_BATCH + RETIRE_DIRTY, "one release gives back %zu KiB at most",
	   most / KIB);
	retire_all();
	ok(load_relaxed(&arena_counters.x_mapped) <= 3 * ARENA_SIZE,
	   "of eight arenas without pools, %zu stay mapped",
	   load_relaxed(&arena_counters.x_mapped) / ARENA_SIZE);
	expect_none_after_trim();
	no_errors("nothing is left");
}

/*
 * Once the last run of an arena is released the arena may be retired at once, but it stays mapped
 * for the thread that releases the run.
 */
static bool mapped_in_release;

static void trim_at_once(const char *where)
{
	if (strcmp(where, "released_slices") != 0)
		return;
	yield_hook(NULL);
	supply_trim();
	mapped_in_release = retire_waiting() == ARENA_SIZE;
}

static void test_release_last(void)
{
	struct run run;

	expect_none_after_trim();
	expect(supply_claim(3, &run));
	yield_hook(trim_at_once);
	supply_release(run.arena, run.first, run.slices, run.slices);
	ok(mapped_in_release,
	   "an arena that is retired while its last run is released stays mapped");
	ok(!registry_has(run.arena) && retire_waiting() == 0,
	   "and leaves when the releaser is done");
	expect_none_after_trim();
	no_errors("nothing is left");
}

static size_t address_space(void)
{
	return load_relaxed(&arena_counters.x_mapped);
}

/* Without a call of trim, arenas leave as they fall free, all but one. */
static void test_leaving(void)
{
	static struct run runs[8 * ARENA_SLICES];
	unsigned n = 0;
	size_t most;

	expect_none_after_trim();
	while (address_space() < 8 * ARENA_SIZE || runs[n - 1].first != ARENA_END - 1)
		expect(supply_claim(1, &runs[n++]));
	most = address_space();
	for (unsigned i = 0; i < n; i++)
		supply_release(runs[i].arena, runs[i].first, 1, 1);
	ok(most == 8 * ARENA_SIZE && address_space() <= 2 * ARENA_SIZE,
	   "of %zu MiB of arenas %zu MiB are left", most / MIB, address_space() / MIB);
	expect_none_after_trim();
	no_errors("nothing is left");
}

int main(void)
{
	test_retention();
	test_credit();
	test_bounded_release();
	test_release_last();
	test_leaving();
	return done();
}
