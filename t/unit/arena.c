/* SPDX-License-Identifier: MIT
 *
 * arena - runs of slices: none is handed out twice, a run reads as zeros where it is said to be
 * clean, and all slices are free in the end.
 */
#include "support/core.h"
#include "support/arenas.h"
#include "arena/purge.h"
#include "arena/retain.h"

#include "arena/arena.h"
#include "base/option.h"
#include "os/os.h"
#include "arena/supply.h"

#include <sys/wait.h>

enum { WORKERS = 4, HELD = 48 };

static atomic_bool stop_trimming;

/* ---- one holder's runs ----------------------------------------------------------------------- */

static size_t *word_of_slice(const struct run *run, size_t slice)
{
	return (size_t *)(run_base(run) + slice * SLICE);
}

static bool reads_zero(const struct run *run)
{
	for (size_t slice = 0; slice < run->slices; slice++) {
		const size_t *word = word_of_slice(run, slice);

		if (word[0] != 0 || word[SLICE / sizeof(*word) - 1] != 0)
			return false;
	}
	return true;
}

static void mark(const struct run *run, size_t with)
{
	for (size_t slice = 0; slice < run->slices; slice++) {
		word_of_slice(run, slice)[0] = with;
		word_of_slice(run, slice)[SLICE / sizeof(size_t) - 1] = with;
	}
}

static bool is_marked(const struct run *run, size_t with)
{
	for (size_t slice = 0; slice < run->slices; slice++)
		if (word_of_slice(run, slice)[0] != with ||
		    word_of_slice(run, slice)[SLICE / sizeof(size_t) - 1] != with)
			return false;
	return true;
}

static bool is_in_place(const struct run *run, size_t wanted)
{
	if (arena_at(run_base(run)) != run->arena || !registry_has(run_base(run)) ||
	    run->slices < wanted)
		return false;
	return run->first >= ARENA_HEAD &&
	       (run->arena->huge || run->first + run->slices <= ARENA_END);
}

/*
 * Mostly one slice, sometimes a few, seldom hundreds, and now and then so many that they need an
 * arena of their own.
 */
static size_t some_slices(struct rng *rng)
{
	size_t kind = rng_below(rng, 64);

	if (kind == 0)
		return LARGE_SLICES + 1 + rng_below(rng, 100);
	if (kind < 4)
		return 1 + rng_below(rng, LARGE_SLICES);
	return kind < 24 ? 1 + rng_below(rng, 8) : 1;
}

static void claim(struct run *run, struct rng *rng, size_t with)
{
	size_t wanted = some_slices(rng);

	expect(supply_claim(wanted, run) && is_in_place(run, wanted));
	expect(run->clean != run->slices || reads_zero(run));
	mark(run, with);
}

static void release(struct run *run, size_t with)
{
	expect(is_marked(run, with) && arena_is_valid(run->arena));
	supply_release(run->arena, run->first, run->slices, run->slices);
	run->arena = NULL;
}

static size_t bytes_of(const struct run *runs)
{
	size_t slices = 0;

	for (unsigned i = 0; i < HELD; i++)
		slices += runs[i].arena ? runs[i].slices : 0;
	return slices * SLICE;
}

static void claim_and_release(struct rng *rng, long rounds, bool alone)
{
	struct run runs[HELD] = { 0 };
	struct arena_totals totals;

	for (long i = 0; i < rounds; i++) {
		size_t k = rng_below(rng, HELD), with = (size_t)rng ^ k;

		if (runs[k].arena)
			release(&runs[k], with);
		else
			claim(&runs[k], rng, with);
		arena_totals(&totals);
		expect(!alone || totals.claimed == bytes_of(runs));
		expect(!alone || totals.claimed + totals.retained <= totals.mapped);
		if (alone && i % 64 == 0)
			supply_trim();
	}
	for (unsigned k = 0; k < HELD; k++)
		if (runs[k].arena)
			release(&runs[k], (size_t)rng ^ k);
}

/* ---- one thread ------------------------------------------------------------------------------ */

static void test_model(void)
{
	struct rng rng = rng_start(100);

	claim_and_release(&rng, tap_scale(1500), true);
	no_errors("runs do not overlap, clean ones are zero, the sums are right");
	expect_none_after_trim();
	no_errors("after arena_trim nothing is left");
}

static void test_whole(void)
{
	static struct run runs[ARENA_SLICES];
	unsigned n = 0;
	struct run two;

	do
		expect(supply_claim(1, &runs[n]));
	while (runs[n].arena == runs[0].arena && ++n < ARENA_END - ARENA_HEAD);
	ok(n == ARENA_END - ARENA_HEAD, "every slice between head and guard can be had: %u", n);
	for (unsigned i = 0; i < n; i += 2)
		supply_release(runs[i].arena, runs[i].first, 1, 1);
	ok(supply_claim(2, &two) && two.arena != runs[0].arena, "single holes are no run of two");
	supply_release(two.arena, two.first, 2, 2);
	supply_release(runs[1].arena, runs[1].first, 1, 1);
	ok(supply_claim(3, &two) && two.arena == runs[0].arena, "three in a row are one of three");
	supply_release(two.arena, two.first, 3, 3);
	for (unsigned i = 3; i < n; i += 2)
		supply_release(runs[i].arena, runs[i].first, 1, 1);
	expect_none_after_trim();
	no_errors("nothing is left");
}

static void test_purge(void)
{
	struct run run;
	struct arena_totals before, after;

	option_parse(OPTION_RETAIN, "64M");
	retain_forget();
	supply_claim(100, &run);
	mark(&run, 1);
	supply_release(run.arena, run.first, run.slices, run.slices);
	arena_totals(&before);
	ok(before.retained == 100 * SLICE, "released slices are retained: %zu", before.retained);
	atomic_store(&os_fail_purge, 1);
	purge_to(0);
	atomic_store(&os_fail_purge, 0);
	arena_totals(&after);
	ok(after.retained + after.purged - before.purged == before.retained,
	   "a purge that fails purges nothing");
	supply_claim(100, &run);
	ok(run.clean != run.slices || reads_zero(&run), "and the run is clean only if it is zero");
	supply_release(run.arena, run.first, run.slices, run.slices);
	purge_to(0);
	arena_totals(&after);
	ok(after.retained == 0 && supply_claim(100, &run) && run.clean == run.slices &&
	           reads_zero(&run),
	   "a purged run is clean");
	supply_release(run.arena, run.first, run.slices, run.slices);
	expect_none_after_trim();
	no_errors("nothing is left");
}

/* Of several slices in a row, and of huge arenas, too: else what is kept stays, and more becomes
 * resident beside it. */
static void test_resident_first(size_t slices)
{
	struct run clean, dirty, run;

	option_parse(OPTION_RETAIN, "64M");
	expect(supply_claim(slices, &clean) && supply_claim(slices, &dirty));
	mark(&dirty, 1);
	supply_release(clean.arena, clean.first, clean.slices, 0);
	supply_release(dirty.arena, dirty.first, dirty.slices, slices);
	ok(supply_claim(slices, &run) && run.clean == run.slices - slices,
	   "%zu slices with pages serve first", slices);
	ok(supply_claim(slices, &clean) && clean.clean == clean.slices, "and then %zu without",
	   slices);
	supply_release(run.arena, run.first, run.slices, slices);
	supply_release(clean.arena, clean.first, clean.slices, 0);
	purge_to(0);
	no_errors("resident slices are found");
}

/* A request that cannot be met does not make others lose the memory that they keep for reuse. */
static void test_refusal(void)
{
	struct run kept, held, run;
	struct arena_totals before, after;

	option_parse(OPTION_RETAIN, "64M");
	retain_forget();
	expect(supply_claim(1, &held) && supply_claim(100, &kept));
	mark(&kept, 1);
	supply_release(kept.arena, kept.first, kept.slices, kept.slices);
	arena_totals(&before);
	expect(!supply_claim((size_t)1 << 44, &run) &&
	       !supply_claim(((size_t)1 << 47) / SLICE - 1, &run));
	atomic_store(&os_fail_on, true);
	atomic_store(&os_fail_map, 1);
	expect(!supply_claim(LARGE_SLICES + 1, &run));
	atomic_store(&os_fail_map, 0);
	atomic_store(&os_fail_on, false);
	arena_totals(&after);
	ok(before.retained == 100 * SLICE && after.retained == before.retained &&
	           after.purged == before.purged,
	   "memory that cannot be had takes nothing from what is kept: %zu of %zu KiB",
	   after.retained / KIB, before.retained / KIB);
	supply_release(held.arena, held.first, held.slices, held.slices);
	arena_totals(&before);
	expect(before.arenas == 1 && arena_is_free(registry_entry(0)));
	expect(!supply_claim((size_t)3 << (ADDRESS_BITS - SLICE_SHIFT - 2), &run));
	arena_totals(&after);
	ok(after.arenas == 1 && after.retained == before.retained,
	   "nor does it take an arena that is free: %zu of %zu KiB", after.retained / KIB,
	   before.retained / KIB);
	expect_none_after_trim();
	no_errors("nothing is left");
}

/* Does a child that writes a byte there survive it? */
static bool can_write(char *address)
{
	int status = 0;
	pid_t child;

	tap_flush();
	child = fork();
	if (child == 0) {
		*address = 1;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A write beyond an arena's last block must not reach the head of the next arena. */
static void test_guard(size_t slices)
{
	struct run run;
	char *end;

	expect(supply_claim(slices, &run));
	end = (char *)run.arena + arena_size(run.arena);
	ok(can_write(run_base(&run)) && !can_write(end - 1) && !can_write(end - SLICE),
	   "the last slice of an arena with a run of %zu cannot be written to", slices);
	ok(run_base(&run) + run.slices * SLICE <= end - SLICE, "and is in no run");
	supply_release(run.arena, run.first, run.slices, 0);
	expect_none_after_trim();
	no_errors("nothing is left");
}

static void test_far_address(void)
{
	unsigned index;

	ok(!registry_add((struct arena *)((uintptr_t)1 << 52), &index) &&
	           !registry_has((void *)((uintptr_t)1 << 52)),
	   "an arena beyond the addresses that have a byte is refused");
}

static void test_limit(void)
{
	struct run run, other;

	budget_set_limit(4 * MIB);
	expect(supply_claim(48, &run));
	ok(!supply_claim(32, &other), "beyond the limit there is no memory");
	supply_release(run.arena, run.first, run.slices, run.slices);
	ok(supply_claim(64, &run), "what is free makes room");
	supply_release(run.arena, run.first, run.slices, run.slices);
	budget_set_limit(0);
	expect_none_after_trim();
	no_errors("nothing is left");
}

/* ---- many threads ---------------------------------------------------------------------------- */

static void churn(unsigned self)
{
	struct rng rng = rng_start(self);

	if (self == 0) {
		while (!atomic_load(&stop_trimming)) {
			if (rng_below(&rng, 2))
				purge_to(rng_below(&rng, 8 * MIB));
			else
				supply_trim();
			sched_yield();
		}
		return;
	}
	claim_and_release(&rng, tap_scale(1500), false);
	atomic_store(&stop_trimming, true);
}

static void test_threads(unsigned one_in)
{
	atomic_store(&stop_trimming, false);
	yield_start(tap_seed(), one_in);
	threads(WORKERS, churn);
	yield_start(0, 0);
	no_errors("a pause in %u steps: threads claim and release, one trims", one_in);
	expect_none_after_trim();
	no_errors("nothing is left");
}

int main(void)
{
	test_model();
	test_whole();
	test_purge();
	test_resident_first(8);
	test_resident_first(LARGE_SLICES + 44);
	test_limit();
	test_refusal();
	test_guard(1);
	test_guard(1000);
	test_far_address();
	test_threads(5);
	test_threads(100);
	return done();
}
