/* SPDX-License-Identifier: MIT
 *
 * summary - the numbers by which arenas are found: a search finds what a walk over all of them
 * finds; and after threads have claimed, released, purged and trimmed at the same time, no number
 * is lower than what its arena has, the levels above lead to it, and the count of free arenas is
 * right.
 */
#include "support/core.h"
#include "support/arenas.h"

#include "arena/arena.h"
#include "arena/purge.h"
#include "arena/reclaim.h"
#include "arena/supply.h"
#include "api/process.h"
#include "base/option.h"
#include "os/os.h"

#include <sched.h>

/* ---- one thread: against an array ------------------------------------------------------------ */

static uint16_t expected[ARENAS_MAX];

static unsigned walk_up(unsigned from, unsigned low, unsigned high)
{
	while (from < ARENAS_MAX && (expected[from] < low || expected[from] > high))
		from++;
	return from;
}

static unsigned walk_down(unsigned below, unsigned low)
{
	while (below > 0 && expected[below - 1] < low)
		below--;
	return below > 0 ? below - 1 : ARENAS_MAX;
}

/* Entries near each other, near the ends of lines, and anywhere. */
static unsigned some_entry(struct rng *rng)
{
	static const unsigned places[] = { 0, 30, 1020, 4090, 32760, ARENAS_MAX - 8 };

	if (rng_below(rng, 4) == 0)
		return (unsigned)rng_below(rng, ARENAS_MAX);
	return places[rng_below(rng, array_length(places))] + (unsigned)rng_below(rng, 8);
}

static void change(struct rng *rng, unsigned entry)
{
	unsigned number = (unsigned)rng_below(rng, rng_below(rng, 8) ? 10 : SUMMARY_MOST + 1);
	unsigned seen = summary_get(SUMMARY_HUGE, entry);

	expect(seen == expected[entry]);
	if (number > seen)
		summary_raise(SUMMARY_HUGE, entry, number);
	else if (number < seen)
		expect(summary_lower(SUMMARY_HUGE, entry, seen, number));
	expect(!summary_lower(SUMMARY_HUGE, entry, number + 1, 0));
	expected[entry] = (uint16_t)number;
}

static void search(struct rng *rng)
{
	unsigned from = some_entry(rng), low = 1 + (unsigned)rng_below(rng, 10),
		 high = rng_below(rng, 2) ? low + (unsigned)rng_below(rng, 4) : SUMMARY_MOST,
		 found = walk_up(from, low, high);

	expect(summary_find(SUMMARY_HUGE, from, low, high) == found);
	expect(summary_find_all(SUMMARY_HUGE, from, ARENAS_MAX, low, high) == found);
	expect(summary_find_before(SUMMARY_HUGE, from, low) == walk_down(from, low));
}

static void test_search(void)
{
	struct rng rng = rng_start(1);

	for (long i = 0; i < tap_scale(2000); i++) {
		change(&rng, some_entry(&rng));
		search(&rng);
	}
	no_errors("a search finds what a walk finds");
	for (unsigned entry = 0; entry < ARENAS_MAX; entry++)
		if (expected[entry])
			summary_lower(SUMMARY_HUGE, entry, expected[entry], 0);
	ok(summary_find(SUMMARY_HUGE, 0, 1, SUMMARY_MOST) == ARENAS_MAX, "and nothing in the end");
}

/* ---- what the numbers promise ---------------------------------------------------------------- */

static bool has(const struct arena *arena, unsigned slice, bool resident)
{
	uint64_t free = load_relaxed(&arena->x_free_slices[slice / 64]);

	if (resident)
		free &= load_relaxed(&arena->x_dirty[slice / 64]);
	return free >> slice % 64 & 1;
}

static unsigned longest(const struct arena *arena, bool resident)
{
	unsigned most = 0, run = 0;

	for (unsigned slice = 0; slice < ARENA_SLICES; slice++) {
		run = has(arena, slice, resident) ? run + 1 : 0;
		most = run > most ? run : most;
	}
	return most < LARGE_SLICES ? most : LARGE_SLICES;
}

static void expect_promise(enum summary_kind kind, unsigned index, unsigned has)
{
	expect(summary_get(kind, index) >= has);
	expect(!has || summary_find(kind, index, has, SUMMARY_MOST) == index);
	expect(!has || summary_find(kind, index - index % 1024, has, SUMMARY_MOST) <= index);
}

/* While no other thread is at work. */
static void expect_promises(void)
{
	size_t free = 0;

	for (unsigned index = 0; index < registry_count(); index++) {
		struct arena *arena = registry_entry(index);

		expect(arena || summary_get(SUMMARY_VACANT, index) == 1);
		if (!arena)
			continue;
		free += !arena->huge && arena_is_free(arena);
		expect_promise(SUMMARY_FREE, index, arena->huge ? 0 : longest(arena, false));
		expect_promise(SUMMARY_RESIDENT, index, arena->huge ? 0 : longest(arena, true));
		expect_promise(SUMMARY_HUGE, index, arena->huge && arena_is_free(arena));
	}
	expect(arena_free_count() == free);
}

/* ---- many arenas ----------------------------------------------------------------------------- */

enum { MANY = 80 }; /* of 32 MiB of address space; more than one line */
static struct run runs[MANY * 4];

/* Each arena is filled with four runs. */
static void fill_many(void)
{
	static const unsigned slices[4] = { 256, 200, 40, 7 };

	for (unsigned i = 0; i < array_length(runs); i++)
		expect(supply_claim(slices[i % 4], &runs[i]));
	expect(runs[array_length(runs) - 1].arena->index == MANY - 1);
}

static void let_go(struct run *run)
{
	supply_release(run->arena, run->first, run->slices, 0);
	run->arena = NULL;
}

/* The first arena that has room is found, as long as there is one, and no new one is mapped. */
static void test_many(void)
{
	size_t mapped;
	struct run run;

	option_parse(OPTION_RETAIN, "64M");
	fill_many();
	mapped = load_relaxed(&arena_counters.x_mapped);
	let_go(&runs[4 * 70 + 2]);
	let_go(&runs[4 * 33 + 3]);
	expect(supply_claim(7, &run) && run.arena->index == 33);
	expect(supply_claim(40, &run) && run.arena->index == 70);
	ok(load_relaxed(&arena_counters.x_mapped) == mapped, "the first arena with room serves");
	expect_promises();
	no_errors("the numbers are right");
	runs[4 * 70 + 2] = run;
	supply_release(runs[4 * 33].arena, ARENA_HEAD + 496, 7, 0);
	for (unsigned i = 0; i < array_length(runs); i++)
		if (runs[i].arena)
			let_go(&runs[i]);
	expect_promises();
	expect_none_after_trim();
	expect_promises();
	no_errors("and so they are when all is free");
}

/* An entry of the table that has become empty serves again, the lowest one first. */
static void test_entries(void)
{
	struct run run, again;

	fill_many();
	for (unsigned i = 4 * 20; i < 4 * 24; i++)
		let_go(&runs[i]);
	supply_trim();
	ok(!registry_entry(20) && !registry_entry(23), "four arenas have left");
	expect(supply_claim(LARGE_SLICES + 1, &run) && supply_claim(LARGE_SLICES + 1, &again));
	ok(run.arena->index == 20 && again.arena->index == 21,
	   "new ones take the lowest entries: %u, %u", run.arena->index, again.arena->index);
	let_go(&run);
	let_go(&again);
	for (unsigned i = 0; i < array_length(runs); i++)
		if (runs[i].arena)
			let_go(&runs[i]);
	expect_none_after_trim();
	no_errors("nothing is left");
}

/* ---- many threads ---------------------------------------------------------------------------- */

enum { WORKERS = 4, HELD = 12 };

/* Mostly hundreds of slices, so that arenas fall free and are exhausted all the time. */
static size_t some_slices(struct rng *rng)
{
	static const size_t slices[] = { 1, 1, 2, 60, 250, 251, 256, LARGE_SLICES + 1 };

	return slices[rng_below(rng, array_length(slices))];
}

static void work(unsigned self)
{
	struct rng rng = rng_start(10 + self);
	struct run held[HELD] = { 0 };

	for (long i = 0; i < tap_scale(400); i++) {
		struct run *run = &held[rng_below(&rng, HELD)];

		if (run->arena) {
			supply_release(run->arena, run->first, run->slices,
			               rng_below(&rng, 2) ? run->slices : 0);
			run->arena = NULL;
		} else {
			expect(supply_claim(some_slices(&rng), run));
		}
		if (self == 0 && rng_below(&rng, 20) == 0)
			purge_to(0);
		if (self == 0 && rng_below(&rng, 40) == 0)
			supply_trim();
	}
	for (unsigned i = 0; i < HELD; i++)
		if (held[i].arena)
			supply_release(held[i].arena, held[i].first, held[i].slices, 0);
}

static void test_threads(unsigned one_in)
{
	for (unsigned round = 0; round < 4; round++) {
		yield_start(tap_seed() + round, one_in);
		threads(WORKERS, work);
		yield_start(0, 0);
		expect_promises();
	}
	no_errors("a pause in %u steps: the numbers are right afterwards", one_in);
	supply_trim();
	expect_promises();
	expect_no_arenas();
	no_errors("nothing is left");
}

/* ---- one that stands still ------------------------------------------------------------------- */

static __thread bool is_victim; /* it runs exhaust */

/*
 * It finds an arena without room for two slices, and corrects the number: first that is lowered,
 * and then it stands still.
 */
static void *exhaust(void *arg)
{
	struct run run;

	is_victim = true;
	expect(supply_claim(2, &run));
	supply_release(run.arena, run.first, 2, 0);
	return arg;
}

/*
 * What the others release in that arena afterwards is found by them, because the number has been
 * lowered already; what they release elsewhere, too.
 */
static void test_stopped(const char *where)
{
	struct run run, first;
	pthread_t thread;
	size_t mapped;

	fill_many();
	summary_raise(SUMMARY_FREE, 3, 2);
	thread = yield_stop(where, exhaust, NULL);
	first = runs[4 * 3 + 3];
	let_go(&runs[4 * 3 + 3]);
	let_go(&runs[4 * 50]);
	mapped = load_relaxed(&arena_counters.x_mapped);
	expect(supply_claim(7, &run) && run.arena == first.arena);
	expect(supply_claim(256, &runs[4 * 50]) && runs[4 * 50].arena->index == 50);
	ok(load_relaxed(&arena_counters.x_mapped) == mapped,
	   "one stands still in %s, the others find what they release", where);
	runs[4 * 3 + 3] = run;
	yield_resume(thread);
	expect_promises();
	for (unsigned i = 0; i < array_length(runs); i++)
		if (runs[i].arena)
			let_go(&runs[i]);
	expect_none_after_trim();
	no_errors("nothing is left");
}

/* ---- fork ------------------------------------------------------------------------------------ */

static struct run released;

/*
 * The thread has found arena 3 without two slices.  Before it lowers the number of that arena, some
 * are released there, which is not told, because the number is high enough still.  Then it lowers
 * the number, and stands still.
 */
static void release_and_stand(const char *where)
{
	if (!is_victim || yield_stands())
		return;
	if (strcmp(where, "summary_lower") == 0 && released.arena) {
		is_victim = false;
		let_go(&released);
		is_victim = true;
	} else if (strcmp(where, "arena_correct") == 0) {
		yield_stand();
	}
}

static int look_in_child(void)
{
	atomic_store(&core_errors, 0);
	expect_promises();
	return atomic_load(&core_errors) != 0;
}

static void test_fork(void)
{
	struct run *there = &runs[4 * 3 + 3];
	pthread_t thread;

	fill_many();
	summary_raise(SUMMARY_FREE, 3, 7);
	released = *there;
	there->arena = NULL;
	yield_arm(release_and_stand);
	pthread_create(&thread, NULL, exhaust, NULL);
	while (!yield_stands())
		sched_yield();
	expect(summary_get(SUMMARY_FREE, 3) == 0);
	ok(status_of_child(look_in_child) == 0, "the child of a fork finds what is free");
	yield_resume(thread);
	expect_promises();
	for (unsigned i = 0; i < array_length(runs); i++)
		if (runs[i].arena)
			let_go(&runs[i]);
	expect_none_after_trim();
	no_errors("nothing is left");
}

int main(void)
{
	process_init();
	test_search();
	test_many();
	test_entries();
	test_threads(5);
	test_threads(100);
	test_stopped("arena_correct");
	test_stopped("summary_again");
	test_fork();
	return done();
}
