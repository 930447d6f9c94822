/* SPDX-License-Identifier: MIT
 *
 * stock - the slices that a heap keeps for its next pools: who gets some, how much that is, and
 * when they go.
 */
#include "support/core.h"
#include "support/taker.h"

#include "arena/retain.h"
#include "arena/supply.h"
#include "base/option.h"
#include "heap/family.h"
#include "heap/heap.h"
#include "heap/stock.h"
#include "os/os.h"

enum { HEAPS = 64, PAIRS = 3000 };

static arn_heap handle;

/* A heap without a stock, which has not earned one either. */
static void set_up(void)
{
	arn_heap_abandon(&handle);
	arn_trim();
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	arn_free(arn_heap_malloc(&handle, 100));
	for (unsigned i = 0; i < 8; i++)
		stock_rest(handle.heap);
}

static void pairs(arn_heap *from, unsigned n, size_t size)
{
	for (unsigned i = 0; i < n; i++)
		arn_free(arn_heap_malloc(from, size));
}

static size_t granted(void)
{
	return load_relaxed(&arena_counters.x_granted);
}

static struct arn_stats statistics(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats;
}

/* ---- who gets one ---------------------------------------------------------------------------- */

static void test_loop(void)
{
	struct arn_stats before, stats;
	void *block;

	set_up();
	before = statistics();
	pairs(&handle, 16, MIB);
	stats = statistics();
	expect(stock_bytes(handle.heap) == MIB && granted() == MIB);
	expect(stats.claimed_bytes == before.claimed_bytes);
	expect(stats.retained_bytes >= MIB && stats.retained_bytes <= before.retained_bytes + MIB);
	block = arn_heap_malloc(&handle, MIB - 3 * SLICE);
	expect(stock_bytes(handle.heap) == 0 && arn_usable_size(block) == MIB - 2 * SLICE);
	arn_free(block);
	expect(stock_bytes(handle.heap) == MIB && heap_is_valid(handle.heap));
	block = arn_heap_malloc(&handle, MIB / 2);
	expect(stock_bytes(handle.heap) == MIB / 2);
	arn_free(block);
	no_errors("a loop of buffers has its slices in stock; statistics count them as free");
}

static void test_drop(void)
{
	void *block[16];

	set_up();
	for (unsigned i = 0; i < array_length(block); i++)
		block[i] = arn_heap_malloc(&handle, 100 * KIB);
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
	expect(stock_bytes(handle.heap) == 0 && granted() == 0);
	no_errors("a heap that drops what it has, and takes nothing again, has no stock");
}

static void test_options(void)
{
	size_t retain = option_values[OPTION_RETAIN],
	       percent = option_values[OPTION_RETAIN_PERCENT];

	set_up();
	option_values[OPTION_RETAIN] = option_values[OPTION_RETAIN_PERCENT] = 0;
	pairs(&handle, 16, MIB);
	expect(stock_bytes(handle.heap) == 0 && granted() == 0);
	option_values[OPTION_RETAIN] = retain;
	option_values[OPTION_RETAIN_PERCENT] = percent;
	budget_set_limit(64 * MIB);
	pairs(&handle, 16, MIB);
	expect(stock_bytes(handle.heap) == 0 && granted() == 0);
	budget_set_limit(0);
	no_errors("nor has one if the program wants nothing kept, or has a limit");
}

/* ---- how much it is -------------------------------------------------------------------------- */

static void test_bound(void)
{
	static arn_heap many[HEAPS];
	size_t sum = 0;

	set_up();
	for (unsigned i = 0; i < HEAPS; i++) {
		arn_heap_init(&many[i], NULL, ARN_TAG_MEM);
		pairs(&many[i], 16, 512 * KIB);
		sum += stock_bytes(many[i].heap);
		expect(sum <= granted() && granted() <= retain_for_slices() / 2 &&
		       arena_kept() <= retain_for_slices());
	}
	expect(sum > 0);
	for (unsigned i = 0; i < HEAPS; i++)
		arn_heap_abandon(&many[i]);
	arn_trim();
	expect(granted() == 0);
	no_errors("all stocks together are within what may be kept, as grants are");
}

static void test_five_sizes(void)
{
	set_up();
	for (unsigned i = 0; i < 20 * STOCK_WINDOW; i++)
		arn_free(arn_heap_malloc(&handle, (64 * KIB + 1) << i % 5));
	expect(handle.heap->grant_missed == 0 && granted() <= retain_for_slices() / 2);
	no_errors("a large run serves buffers of other sizes, and is one again after that");
}

/* ---- what a busy heap borrows ---------------------------------------------------------------- */

/* For three windows, as if they took no time. */
static void be_busy(arn_heap *from)
{
	for (unsigned i = 0; i < 3 * STOCK_WINDOW; i++) {
		pairs(from, 1, MIB);
		from->heap->grant_begun = os_milliseconds();
	}
}

static void test_borrowing(void)
{
	static arn_heap many[HEAPS];
	size_t most = os_processors() * RETAIN_BORROW, own;
	arn_heap *last = NULL;

	set_up();
	own = retain_for_slices() / 2;
	for (unsigned i = 0; i < HEAPS; i++) {
		arn_heap_init(&many[i], NULL, ARN_TAG_MEM);
		be_busy(&many[i]);
		expect(granted() <= own + retain_borrowed() && retain_borrowed() <= most);
		expect(stock_bytes(many[i].heap) == MIB || granted() + MIB > own + most);
		if (load_relaxed(&many[i].heap->x_borrowed) != 0)
			last = &many[i];
	}
	expect(last && retain_borrowed() > most - MIB);
	for (unsigned i = 0; i < STOCK_WINDOW; i++, add_relaxed(&os_ahead, 3))
		pairs(last, 1, MIB);
	expect(load_relaxed(&last->heap->x_borrowed) == 0);
	for (unsigned i = 0; i < HEAPS; i++)
		arn_heap_abandon(&many[i]);
	arn_trim();
	expect(granted() == 0 && retain_borrowed() == 0);
	no_errors("heaps that are very busy borrow, within a bound, and repay when they are not");
}

/* ---- where it comes from --------------------------------------------------------------------- */

enum { HOLES = 4, HOLE = 16, LONG = 64 };

/* Runs with pages are free between others that are not: HOLES short ones, and a long one behind
 * them. */
static void make_holes(struct run *wall)
{
	struct run hole[HOLES + 1];

	for (unsigned i = 0; i <= HOLES; i++)
		expect(supply_claim(i < HOLES ? HOLE : LONG, &hole[i]) &&
		       supply_claim(1, &wall[i]));
	for (unsigned i = 0; i <= HOLES; i++)
		supply_release(hole[i].arena, hole[i].first, hole[i].slices, hole[i].slices);
}

/* For pools of one slice, which take half of what the holes have.  Far more than the base is
 * free. */
static void test_holes(void)
{
	static void *block[HOLES * HOLE / 2 * SLICE / (8 * KIB)];
	struct run wall[HOLES + 1], run;

	set_up();
	store_relaxed(&x_retain_credit, 64 * MIB);
	pairs(&handle, 16, MIB);
	stock_give_back(handle.heap);
	make_holes(wall);
	for (unsigned i = 0; i < array_length(block); i++)
		block[i] = arn_heap_malloc(&handle, 8 * KIB);
	expect(supply_claim_kept(LONG, LONG, &run));
	supply_release(run.arena, run.first, run.slices, run.slices);
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
	for (unsigned i = 0; i <= HOLES; i++)
		supply_release(wall[i].arena, wall[i].first, 1, 1);
	no_errors("where much is free, short runs are used up before a long one is cut");
}

/* ---- when it goes ---------------------------------------------------------------------------- */

/* Slow paths that take no slices: one class, whose pool stays. */
static void pass_by(unsigned n)
{
	static void *block[8];

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < 8; k++)
			block[k] = arn_heap_malloc(&handle, 8 * KIB);
		for (unsigned k = 1; k < 8; k++)
			arn_free(block[k]);
		arn_free(block[0]);
	}
}

static void test_rest(void)
{
	void *kept;

	set_up();
	kept = arn_heap_malloc(&handle, 8 * KIB);
	pairs(&handle, 16, MIB);
	expect(stock_bytes(handle.heap) >= MIB);
	pass_by(4 * STOCK_WINDOW);
	expect(stock_bytes(handle.heap) < MIB && granted() < MIB);
	arn_free(kept);
	no_errors("what was not taken for some slow paths goes to the arena");
}

static _Atomic unsigned x_trimmed;

static void trim_beside(unsigned self)
{
	if (self == 0) {
		arn_trim();
		store_release(&x_trimmed, 1);
	}
}

static void test_others(void)
{
	set_up();
	pairs(&handle, 16, MIB);
	expect(stock_bytes(handle.heap) == MIB);
	threads(1, trim_beside);
	expect(load_acquire(&x_trimmed) && stock_bytes(handle.heap) == 0 && granted() == 0);
	pairs(&handle, 16, MIB);
	arn_heap_abandon(&handle);
	expect(granted() == MIB);
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	arn_free(arn_heap_malloc(&handle, MIB));
	expect(granted() == MIB && stock_bytes(handle.heap) == MIB);
	no_errors("any thread may give it back; an orphan keeps it for who adopts the heap");
}

/* ---- two at once ----------------------------------------------------------------------------- */

/* Each block has a pattern of its own: two threads with the same slices would see each other's. */
static void use(arn_heap *own, uint64_t mark)
{
	uint64_t *block[2];

	for (unsigned i = 0; i < 2; i++) {
		block[i] = arn_heap_malloc(own, 100 * KIB);
		block[i][0] = block[i][8 * KIB] = mark + i;
	}
	arn_yield_point("stock_test");
	for (unsigned i = 0; i < 2; i++) {
		expect(block[i][0] == mark + i && block[i][8 * KIB] == mark + i);
		arn_free(block[i]);
	}
}

static void test_race(void)
{
	set_up();
	use_beside_taker(family_default(), ARN_TAG_MEM, PAIRS, use);
	arn_heap_abandon(&handle);
	arn_trim();
	expect(granted() == 0 && tally_read_all(&arena_counters.x_claimed) == 0);
	no_errors(
		"a run that its owner takes and another thread gives back is one's or the other's");
}

int main(void)
{
	test_loop();
	test_drop();
	test_options();
	test_bound();
	test_five_sizes();
	test_borrowing();
	test_holes();
	test_rest();
	test_others();
	test_race();
	return done();
}
