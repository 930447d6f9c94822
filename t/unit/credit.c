/* SPDX-License-Identifier: MIT
 *
 * credit - how much goes back to the system of a program that gives up memory and takes it again.
 * The test sets the clock, and counts bytes that were given back and not time.
 */
#include "support/core.h"

/* The source itself is included, with the clocks of the test: time goes by while the program works,
 * and also while it waits. */
#define os_milliseconds           test_milliseconds
#define os_processor_milliseconds test_processor_milliseconds
#define os_processors             test_processors
#include "arena/retain.c"
#undef os_milliseconds
#undef os_processor_milliseconds
#undef os_processors

#include <arenite/arenite.h>

enum { LARGE = 128 * 1024, SMALL = 512, BLOCKS = 64 * 1024 * 1024 / SMALL };

static unsigned now = 1000 * 1000, waited;
static char *block[BLOCKS];

unsigned test_milliseconds(void)
{
	return now;
}

unsigned test_processor_milliseconds(void)
{
	return now - waited;
}

/* Nobody borrows: heaps go by the other clock. */
unsigned test_processors(void)
{
	return 0;
}

static void wait_ms(unsigned ms)
{
	now += ms;
	waited += ms;
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

static void drop_first(size_t mib)
{
	for (size_t i = 0; i < mib * MIB / LARGE; i++) {
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
	return tally_read_all(&arena_counters.x_retained) / MIB;
}

/* Go through slow paths, as a thread that does not do much. */
static void work_a_little(unsigned ms)
{
	for (unsigned i = 0; i < 20; i++, now += ms / 20)
		for (unsigned k = 0; k < 8; k++)
			arn_free(arn_mem_malloc(2 * SMALL_MAX));
}

/* Begin as at the start: nothing is kept, and a long time has gone by. */
static void begin(const char *what)
{
	drop(0, 0);
	no_errors("%s", what);
	arn_trim();
	store_relaxed(&arena_counters.x_peak, 0);
	now += 1000 * 1000;
}

/* ---- 64 MiB: 32 ms to get them again --------------------------------------------------------- */

/* A lap of 60 ms may refault 2 MiB, and RETAIN_BURST was saved up before. */
static void test_tight(size_t size, size_t one_in, size_t once)
{
	size_t first = laps(1, 64, size, one_in, 60), second, later;

	ok(first >= once, "%zu bytes, dropped for the first time: %zu MiB go back at once", size,
	   first);
	second = laps(1, 64, size, one_in, 60);
	later = laps(20, 64, size, one_in, 60);
	ok(second <= 10 && later <= 20 * 2 + 8,
	   "half of the time would be for that: then it stays, but for %zu MiB, and %zu in 20 laps",
	   second, later);
	begin("a tight loop");
}

/* Whatever the loop, what goes back after the second lap costs no more than the price: so many
 * bytes for each millisecond, twice if they go for memory of another kind, and the bursts. */
static void test_price(unsigned lap_ms, size_t size, size_t one_in)
{
	unsigned n = 2000 / lap_ms + 20;
	size_t most = n * lap_ms * RETAIN_PER_MS / MIB + 8, later;

	laps(2, 64, size, one_in, lap_ms);
	later = laps(n, 64, size, one_in, lap_ms);
	ok(later <= most, "laps of %u ms, %zu bytes: %zu MiB go back in %u laps, %zu at most",
	   lap_ms, size, later, n, most);
	begin("a loop of any length");
}

/* What a program may refault all the time earns nothing. */
static void test_cheap(void)
{
	size_t gone = laps(12, 5, LARGE, 0, 600);

	ok(gone >= 24 && !retain_has_credit(),
	   "a cheap loop: %zu MiB go back in 12 laps, and there is no credit", gone);
	begin("a cheap loop");
}

/* To get the memory again is half of the working time, but between a drop and the next build there
 * is nothing to do for a while. */
static void test_pauses(void)
{
	size_t least = SIZE_MAX;

	for (unsigned lap = 0; lap < 12; lap++, wait_ms(RETAIN_PAUSE + 50))
		least = min_size(least, laps(1, 64, LARGE, 0, 60));
	ok(least >= 56 && kept() <= 4,
	   "with pauses: at least %zu MiB go back before each, %zu stay", least, kept());
	begin("pauses");
}

/* Processor time is what counts: a program that waits for most of the time, but not for long at
 * once, may not refault more for that. */
static void test_waits(void)
{
	size_t later = 0;

	for (unsigned lap = 0; lap < 30; lap++, wait_ms(RETAIN_PAUSE / 2)) {
		size_t gone = laps(1, 24, LARGE, 0, 20);

		later += lap >= 2 ? gone : 0;
	}
	ok(later <= 30, "bursts with short waits: %zu MiB go back in 28 laps", later);
	begin("bursts");
}

/* ---- the first credit ------------------------------------------------------------------------ */

/* As a process begins: the credit is 16 MiB.  So much of a drop stays, until it was left alone for
 * T(16 MiB), half a second; a drop that is far larger goes back as a whole. */
static void test_first(size_t mib)
{
	bool small = mib < 40;
	size_t gone;

	retain_init();
	gone = laps(1, mib, LARGE, 0, 60);
	ok(small ? gone <= mib - 16 : gone >= mib - 4 && !retain_has_credit(),
	   "%zu MiB dropped for the first time: %zu go back", mib, gone);
	for (unsigned i = 0; i < 8; i++)
		work_a_little(150);
	ok(kept() <= 4, "and after a second that it was left alone %zu MiB stay", kept());
	begin("the first credit");
}

/* Where the program wants less to be kept, the credit is less. */
static void test_first_by_option(void)
{
	size_t retain = option_values[OPTION_RETAIN];

	option_values[OPTION_RETAIN] = MIB;
	retain_init();
	expect(load_relaxed(&x_retain_credit) == 2 * MIB);
	option_values[OPTION_RETAIN] = 0;
	retain_init();
	expect(!retain_has_credit());
	option_values[OPTION_RETAIN] = 1024 * MIB;
	retain_init();
	expect(load_relaxed(&x_retain_credit) == RETAIN_FIRST);
	option_values[OPTION_RETAIN] = retain;
	begin("the first credit is no more than twice RETAIN");
}

/* The first thing after a pause may be that more is given up. */
static void test_drop_after_pause(void)
{
	take(96, LARGE, 100);
	drop_first(64);
	wait_ms(2 * RETAIN_PAUSE);
	drop_first(96);
	take(96, LARGE, 20);
	ok(load_relaxed(&x_retain_credit) <= 48 * MIB,
	   "64 MiB that went back before a pause, and 32 after it, earn %zu MiB",
	   load_relaxed(&x_retain_credit) / MIB);
	begin("a drop after a pause");
}

/* T(64 MiB) is 2 seconds. */
static void test_end(void)
{
	size_t during, before;

	laps(10, 64, LARGE, 0, 60);
	work_a_little(60);
	during = kept();
	work_a_little(1000);
	before = kept();
	for (unsigned i = 0; i < 10; i++)
		work_a_little(400);
	ok(during >= 48 && before >= 48 && kept() <= 8,
	   "%zu MiB are kept for the next lap, %zu after a second, %zu a while after the last",
	   during, before, kept());
	begin("the end of a loop");
}

/*
 * A build that drops and takes a little all the time, as growing arrays do, and then a drop of all
 * of it.
 */
static void test_larger(void)
{
	size_t stays = 0;

	for (unsigned lap = 0; lap < 6; lap++, wait_ms(1000)) {
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
	size_t gone;

	laps(10, 64, LARGE, 0, 60);
	laps(100, 24, LARGE, 0, 30);
	ok(kept() <= 48, "a loop that needs less keeps less: %zu MiB", kept());
	gone = laps(10, 24, LARGE, 0, 30);
	ok(gone <= 16, "and about as much as it needs: %zu MiB go back in ten laps", gone);
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
	ok(later <= 20, "a loop that begins late pays for one lap, too, and %zu MiB after", later);
	begin("a late loop");
}

/* What a program has asked to give back is not charged when it is taken again. */
static void test_trim(void)
{
	laps(4, 64, LARGE, 0, 60);
	arn_trim();
	take(64, LARGE, 60);
	ok(!retain_has_credit(), "64 MiB that arn_trim gave back earn no credit");
	begin("a trim");
}

/* ---- another kind ---------------------------------------------------------------------------- */

static char *large_block[2000];

/* Take and drop blocks of another size n times. */
static void other_laps(unsigned n, size_t mib, size_t size, unsigned ms)
{
	size_t count = mib * MIB / size;

	while (n-- > 0) {
		for (size_t i = 0; i < count; i++) {
			large_block[i] = arn_mem_malloc(size);
			for (size_t page = 0; page < size; page += PAGE_MIN)
				large_block[i][page] = 1;
		}
		for (size_t i = 0; i < count; i++)
			arn_free(large_block[i]);
		now += ms;
	}
}

/* Half of the slices stay in use, one by one, so that no large run fits among those that are free:
 * what is kept of one kind goes back before another kind is mapped, so that the peak stays. */
static void test_kinds(void)
{
	size_t peak, resident;

	laps(4, 64, LARGE, 2, 60);
	peak = arena_resident();
	other_laps(1, 24, 8 * LARGE, 60);
	resident = load_relaxed(&arena_counters.x_peak);
	ok(resident <= peak + 8 * MIB, "another kind: %zu MiB are resident at most, %zu before",
	   resident / MIB, peak / MIB);
	begin("another kind");
}

/* A program that goes from one kind to the other in each lap keeps both in the end. */
static void test_both_kinds(void)
{
	size_t purged;

	for (unsigned lap = 0; lap < 10; lap++) {
		laps(1, 64, LARGE, 2, 30);
		other_laps(1, 24, 8 * LARGE, 30);
	}
	purged = load_relaxed(&arena_counters.x_purged);
	for (unsigned lap = 0; lap < 20; lap++) {
		laps(1, 64, LARGE, 2, 30);
		other_laps(1, 24, 8 * LARGE, 30);
	}
	purged = (load_relaxed(&arena_counters.x_purged) - purged) / MIB;
	ok(purged <= 20 * 60 * 2 * RETAIN_PER_MS / MIB + 16,
	   "one kind and the other in turn: %zu MiB go back in 20 laps", purged);
	begin("both kinds");
}

/* A sixth of what is resident for the first time may be traded. */
static void test_more_trades(void)
{
	take(60, LARGE, 60);
	ok(retain_may_trade(SIZE_MAX) >= RETAIN_TRADES + 8 * MIB,
	   "after growth by 60 MiB: %zu MiB may be traded", retain_may_trade(SIZE_MAX) / MIB);
	begin("growth");
}

/* The clock stands still, so that no time adds to the budget. */
static void test_least_trade(void)
{
	retain_may_trade(2 * RETAIN_TRADES); /* this millisecond adds nothing any more */
	retain_forget();
	ok(retain_may_trade(1) == RETAIN_TRADE_LEAST && retain_may_trade(MIB) == MIB,
	   "little growth: %zu KiB are traded at once", retain_may_trade(1) / KIB);
	retain_note_trade(RETAIN_TRADES - 3 * RETAIN_TRADE_LEAST / 2);
	ok(retain_may_trade(MIB) == 3 * RETAIN_TRADE_LEAST / 2, "and no more than may be");
	retain_note_trade(RETAIN_TRADE_LEAST);
	ok(retain_may_trade(1) == 0, "what is left is too little: nothing is");
	begin("least");
}

/* ---- any loop -------------------------------------------------------------------------------- */

struct loop {
	unsigned ms, rest;
	size_t mib, size, one_in, other_mib, other_size;
};

/* One lap of up to two kinds, and work without memory after it. */
static void run_loop(const struct loop *loop, unsigned n)
{
	while (n-- > 0) {
		laps(1, loop->mib, loop->size, loop->one_in, loop->ms);
		if (loop->other_mib)
			other_laps(1, loop->other_mib, loop->other_size, loop->ms);
		now += loop->rest;
	}
}

static struct loop some_loop(struct rng *rng)
{
	static const size_t sizes[] = { 256, SMALL, 4096, 40 * 1024, LARGE },
			    stays[] = { 0, 0, 2, 16, 128 };
	struct loop loop = { 10 + (unsigned)rng_below(rng, 150),
		             rng_below(rng, 3) ? 0 : (unsigned)rng_below(rng, 150),
		             1 + rng_below(rng, 48),
		             sizes[rng_below(rng, 5)],
		             stays[rng_below(rng, 5)],
		             0,
		             LARGE << rng_below(rng, 5) };

	loop.size = max_size(loop.size, loop.mib * MIB / BLOCKS);
	if (rng_below(rng, 2))
		loop.other_mib = 1 + rng_below(rng, 48);
	return loop;
}

/* What goes back of a loop by lot, from its third lap on, is no more than the price, whatever its
 * sizes and what stays of it.  What it may trade and what was saved up comes once.  A lap is
 * shorter than RETAIN_PAUSE, after which memory may go back for nothing. */
static void test_any_loop(void)
{
	struct rng rng = rng_start(7);
	unsigned good = 0, rounds = (unsigned)tap_scale(40);

	for (unsigned i = 0; i < rounds; i++) {
		struct loop loop = some_loop(&rng);
		unsigned lap_ms = loop.ms * (loop.other_mib ? 2 : 1) + loop.rest;
		unsigned n = 4 + 3000 / lap_ms;
		size_t most = n * lap_ms * (RETAIN_PER_MS * 3 / 2) + RETAIN_BURST + RETAIN_TRADES,
		       purged;

		run_loop(&loop, 2);
		purged = load_relaxed(&arena_counters.x_purged);
		run_loop(&loop, n);
		purged = load_relaxed(&arena_counters.x_purged) - purged;
		good += purged <= most;
		if (purged > most)
			note("%zu MiB of %zu bytes, one in %zu stays, %zu of %zu, %u + %u ms: "
			     "%zu MiB go back in %u laps, %zu at most",
			     loop.mib, loop.size, loop.one_in, loop.other_mib, loop.other_size,
			     loop.ms, loop.rest, purged / MIB, n, most / MIB);
		drop(0, 0);
		arn_trim();
		store_relaxed(&arena_counters.x_peak, 0);
		now += 1000 * 1000;
	}
	ok(good == rounds, "loops of any kind: %u of %u keep to the price", good, rounds);
	begin("any loop");
}

int main(void)
{
	option_values[OPTION_RETAIN] = 8 * MIB;
	begin("at the start");
	test_tight(LARGE, 0, 56);
	test_tight(SMALL, 0, 48);
	test_tight(SMALL, 128 * (os_page_size() / PAGE_MIN), 32); /* one in 16 pages stays */
	for (unsigned ms = 50; ms <= 1600; ms *= 2)
		test_price(ms, LARGE, 0);
	test_price(300, SMALL, 128);
	test_cheap();
	test_pauses();
	test_waits();
	test_drop_after_pause();
	test_end();
	test_larger();
	test_first(20);
	test_first(30);
	test_first(96);
	test_first_by_option();
	test_less();
	test_late();
	test_trim();
	test_kinds();
	test_both_kinds();
	test_more_trades();
	test_least_trade();
	test_any_loop();
	return done();
}
