/* SPDX-License-Identifier: MIT
 *
 * wait - empty pools that wait for readers with their heap: they serve it again, their slices do
 * when the readers are done, and other threads can take them away.
 */
#include "support/core.h"
#include "support/taker.h"

#include "arena/retain.h"
#include "base/option.h"
#include "heap/empty.h"
#include "heap/family.h"
#include "heap/heap.h"
#include "heap/limbo.h"
#include "heap/stock.h"
#include "heap/wait.h"

enum { ROUNDS = 1500, BLOCKS = SLICE / (8 * KIB) };

static _Atomic uint64_t x_given, x_passed;

static uint64_t goal(size_t bytes)
{
	expect(bytes % SLICE == 0 && bytes != 0);
	return add_seq(&x_given, 1) + 1;
}

static bool reached(uint64_t wanted)
{
	return wanted <= load_seq(&x_passed);
}

static void let_readers_pass(void)
{
	store_seq(&x_passed, load_seq(&x_given));
}

/* What a trim makes empty waits, too. */
static void let_all_go(void)
{
	arn_trim();
	let_readers_pass();
	arn_trim();
}

static const struct arn_provider provider = { .goal = goal, .reached = reached };

static arn_family *family;
static arn_heap handle;
static void *block[100 * BLOCKS];

/* n pools of 8 KiB blocks fall empty. */
static void drop_pools(arn_heap *from, unsigned n, size_t size)
{
	for (unsigned i = 0; i < n * BLOCKS; i++)
		block[i] = arn_heap_malloc(from, size);
	for (unsigned i = 0; i < n * BLOCKS; i++)
		arn_free(block[i]);
}

/* A heap that has a grant, because it has taken again what it had given up. */
static void set_up(void)
{
	arn_heap_abandon(&handle);
	let_all_go();
	family = arn_family_new(&provider);
	arn_heap_init(&handle, family, ARN_TAG_OBJECT);
	for (unsigned i = 0; i < 8; i++)
		drop_pools(&handle, 4, 8 * KIB);
	expect(wait_has_some(handle.heap));
}

static size_t claimed(void)
{
	return tally_read_all(&arena_counters.x_claimed);
}

/* ---- one thread ------------------------------------------------------------------------------ */

static void test_again(void)
{
	size_t before;

	set_up();
	drop_pools(&handle, 4, 8 * KIB);
	before = claimed();
	for (unsigned i = 0; i < 100; i++)
		drop_pools(&handle, 4, 8 * KIB);
	expect(claimed() == before && heap_is_valid(handle.heap));
	expect(load_relaxed(&family->x_waiting) <= 4);
	no_errors("pools that wait serve their heap again");
}

static void test_goal(void)
{
	size_t bytes;

	set_up();
	bytes = wait_bytes(handle.heap);
	empty_poll_all(handle.heap);
	expect(wait_bytes(handle.heap) == bytes);
	store_seq(&x_passed, load_seq(&x_given) - 1);
	empty_poll_all(handle.heap);
	expect(wait_bytes(handle.heap) == SLICE); /* all but the newest */
	expect(stock_bytes(handle.heap) == bytes - SLICE);
	let_readers_pass();
	empty_poll_all(handle.heap);
	expect(!wait_has_some(handle.heap) && stock_bytes(handle.heap) == bytes);
	no_errors("when its readers are done, and not before, a pool's slices serve others");
}

static void test_classes(void)
{
	struct pool *pool;
	size_t bytes;

	set_up();
	bytes = wait_bytes(handle.heap);
	expect(!wait_take(handle.heap, (unsigned)sizeclass_of(4 * KIB), 0));
	expect(wait_bytes(handle.heap) == bytes);
	pool = wait_take(handle.heap, (unsigned)sizeclass_of(8 * KIB), 0);
	expect(pool && pool->block_size == 8 * KIB && wait_bytes(handle.heap) == bytes - SLICE);
	if (pool)
		empty_add(handle.heap, pool);
	expect(wait_bytes(handle.heap) == bytes);
	no_errors("a pool serves blocks of its own size only");
}

/* Huge ones, too, with any tail.  A byte is written, so that the block may have pages. */
static void test_large(void)
{
	static const size_t sizes[] = { 200 * KIB, MIB, 12 * MIB, 17 * MIB, 20 * MIB, 33 * MIB };
	size_t retain = option_values[OPTION_RETAIN];

	set_up();
	option_values[OPTION_RETAIN] = 1024 * MIB;
	for (unsigned i = 0; i < array_length(sizes); i++) {
		char *first = arn_heap_malloc(&handle, sizes[i]), *second;

		first[0] = 1;
		arn_free(first);
		second = arn_heap_malloc(&handle, sizes[i]);
		expect(second == first);
		arn_free(second);
	}
	option_values[OPTION_RETAIN] = retain;
	no_errors("a large block that waits serves the next one of its size");
}

static void test_bound(void)
{
	set_up();
	for (unsigned i = 0; i < 8; i++) {
		drop_pools(&handle, 100, 8 * KIB);
		expect(handle.heap->wait_pools <= WAIT_POOLS);
		expect(wait_bytes(handle.heap) + stock_bytes(handle.heap) <=
		       load_relaxed(&handle.heap->x_grant));
		expect(arena_kept() <= retain_for_slices() + SLICE);
	}
	expect(limbo_has_some(family));
	no_errors("what waits with a heap is within its grant, and the rest with the family");
}

static void test_options(void)
{
	set_up();
	budget_set_limit(64 * MIB);
	drop_pools(&handle, 8, 8 * KIB);
	drop_pools(&handle, 8, 4 * KIB);
	arn_trim();
	expect(!wait_has_some(handle.heap));
	drop_pools(&handle, 8, 4 * KIB);
	expect(!wait_has_some(handle.heap));
	budget_set_limit(0);
	no_errors("with a limit none waits with its heap");
}

/* ---- the peak -------------------------------------------------------------------------------- */

static void test_growth(void)
{
	size_t bytes;

	set_up();
	let_readers_pass();
	empty_poll_all(handle.heap);
	drop_pools(&handle, 2, 8 * KIB);
	bytes = wait_bytes(handle.heap);
	expect(bytes != 0 && stock_bytes(handle.heap) != 0);
	empty_make_room(handle.heap, 0);
	expect(wait_bytes(handle.heap) == bytes && stock_bytes(handle.heap) != 0);
	empty_make_room(handle.heap, SLICE);
	expect(!wait_has_some(handle.heap) && stock_bytes(handle.heap) == 0);
	expect(load_relaxed(&arena_counters.x_granted) == 0 && heap_is_valid(handle.heap));
	no_errors("when more is resident than ever, a heap keeps nothing for itself");
}

/* A few pools of each of many sizes wait with the family. */
static void test_growth_of_many(void)
{
	size_t retain = option_values[OPTION_RETAIN], calls, bytes;

	set_up();
	option_values[OPTION_RETAIN] = 64 * MIB;
	for (size_t size = 2 * KIB; size <= 16 * KIB; size += size / 4)
		drop_pools(&handle, 12, size);
	wait_hand_over(handle.heap);
	expect(tally_read_all(&arena_counters.x_waiting) >= 2 * MIB);
	retain_forget();
	calls = load_relaxed(&arena_counters.x_purges);
	bytes = load_relaxed(&arena_counters.x_purged);
	limbo_make_room(SLICE);
	calls = load_relaxed(&arena_counters.x_purges) - calls;
	bytes = load_relaxed(&arena_counters.x_purged) - bytes;
	expect(calls == 1 && bytes >= RETAIN_TRADE_LEAST && bytes <= 2 * RETAIN_TRADE_LEAST);
	option_values[OPTION_RETAIN] = retain;
	no_errors("of pools of many sizes that wait, %zu KiB go back in %zu call", bytes / KIB,
	          calls);
}

/* ---- several --------------------------------------------------------------------------------- */

static void hand_over_beside(unsigned self)
{
	(void)self;
	stock_give_back(handle.heap);
}

static void test_others(void)
{
	size_t bytes;

	set_up();
	bytes = wait_bytes(handle.heap);
	threads(1, hand_over_beside);
	expect(!wait_has_some(handle.heap) && load_relaxed(&family->x_waiting) >= bytes / SLICE);
	drop_pools(&handle, 4, 8 * KIB); /* the first of them begins a new list */
	set_up();
	arn_heap_abandon(&handle);
	let_all_go();
	expect(tally_read_all(&arena_counters.x_waiting) == 0 && claimed() == 0);
	no_errors("any thread may hand them over; those of an orphan go, too");
}

/* Each block has a pattern of its own: two heaps with the same pool would see each other's. */
static void use(arn_heap *own, uint64_t mark)
{
	uint64_t *mine[2 * BLOCKS];

	for (unsigned i = 0; i < 2 * BLOCKS; i++) {
		mine[i] = arn_heap_malloc(own, 8 * KIB);
		*mine[i] = mark + i;
	}
	for (unsigned i = 0; i < 2 * BLOCKS; i++) {
		expect(*mine[i] == mark + i);
		arn_free(mine[i]);
	}
	if (mark % 256 == 0)
		let_readers_pass();
}

static void test_race(void)
{
	set_up();
	use_beside_taker(family, ARN_TAG_OBJECT, ROUNDS, use);
	arn_heap_abandon(&handle);
	let_all_go();
	expect(tally_read_all(&arena_counters.x_waiting) == 0 && claimed() == 0);
	no_errors("a pool is its heap's, or waits in one place");
}

/* ---- one that stands still ------------------------------------------------------------------- */

static void *hand_over(void *arg)
{
	stock_give_back(handle.heap);
	return arg;
}

/* The heap's owner goes on meanwhile. */
static void test_standing(const char *where)
{
	pthread_t thread;

	set_up();
	thread = yield_stop(where, hand_over, NULL);
	for (unsigned i = 0; i < 10; i++)
		drop_pools(&handle, 8, 8 * KIB);
	let_readers_pass();
	arn_trim();
	expect(claimed() <= 4 * MIB); /* the pools of one list */
	expect(heap_is_valid(handle.heap));
	yield_resume(thread);
	arn_heap_abandon(&handle);
	let_all_go();
	expect(claimed() == 0);
	no_errors("a thread that stands still in %s keeps one list", where);
}

int main(void)
{
	test_again();
	test_goal();
	test_classes();
	test_large();
	test_bound();
	test_options();
	test_growth();
	test_growth_of_many();
	test_others();
	test_race();
	test_standing("wait_taken");
	test_standing("limbo_push");
	return done();
}
