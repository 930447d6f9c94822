/* SPDX-License-Identifier: MIT
 *
 * heap - pools and their lists: the sums are right after every few steps, memory leaves, pools wait
 * for readers, and large blocks work.
 */
#include "support/core.h"
#include "base/option.h"

#include "heap/cache.h"
#include "heap/limbo.h"
#include "heap/remote.h"
#include "arena/retain.h"
#include "heap/heap.h"
#include "heap/tend.h"
#include "heap/wait.h"
#include "os/os.h"

#include <arenite/arenite.h>

enum { WORKERS = 4, LIVE = 400 };

static arn_family *family;

static uint64_t now, seen_by_readers;

static uint64_t goal(size_t bytes)
{
	expect(bytes % SLICE == 0 && bytes != 0);
	return ++now;
}

static bool reached(uint64_t wanted)
{
	return wanted <= seen_by_readers;
}

static const struct arn_provider provider = { .goal = goal, .reached = reached };

/* The number of pools of this family that wait for the provider and belong to no heap. */
static size_t waiting_pools(const arn_family *family)
{
	return load_relaxed(&family->x_waiting);
}

static bool has_no_pool(struct heap *heap)
{
	cache_flush(heap);
	remote_drain(heap);
	return heap_is_valid(heap) && !heap->all_first && load_relaxed(&heap->x_pools) == 0 &&
	       load_relaxed(&heap->x_pool_bytes) == 0;
}

struct live {
	unsigned char *block;
	size_t size;
	unsigned char fill;
};

static size_t some_size(struct rng *rng)
{
	size_t kind = rng_below(rng, 100);

	if (kind == 0)
		return (size_t)1 << (16 + rng_below(rng, 9));
	if (kind < 10)
		return 1 + rng_below(rng, 200000);
	return kind < 30 ? 1 + rng_below(rng, 8192) : 1 + rng_below(rng, 400);
}

static void drop(struct live *live)
{
	if (!live->block)
		return;
	expect(live->block[0] == live->fill && live->block[live->size - 1] == live->fill &&
	       live->block[live->size / 2] == live->fill);
	arn_free(live->block);
	live->block = NULL;
}

static void make(arn_heap *handle, struct live *live, struct rng *rng)
{
	drop(live);
	live->size = some_size(rng);
	live->fill++;
	live->block = arn_heap_malloc(handle, live->size);
	expect(live->block && arn_usable_size(live->block) >= live->size);
	live->block[0] = live->block[live->size / 2] = live->block[live->size - 1] = live->fill;
}

static size_t live_pools(const struct heap *heap)
{
	size_t n = 0;

	for (const struct pool *pool = heap->all_first; pool; pool = pool->all_next)
		n++;
	return n;
}

static void churn_heap(arn_heap *handle, struct rng *rng, long rounds)
{
	struct live *live = calloc(LIVE, sizeof(*live));

	for (long i = 0; i < rounds; i++) {
		struct live *l = &live[rng_below(rng, LIVE)];

		if (rng_below(rng, 3))
			make(handle, l, rng);
		else
			drop(l);
		if (i % 101 != 0 || !handle->heap)
			continue;
		expect(handle->heap == &heap_none || heap_is_valid(handle->heap));
		expect(load_relaxed(&handle->heap->x_pools) == live_pools(handle->heap));
	}
	for (unsigned k = 0; k < LIVE; k++)
		drop(&live[k]);
	free(live);
}

static void test_model(const struct arn_provider *with, unsigned tag)
{
	struct rng rng = rng_start(tag);
	arn_heap handle;

	arn_heap_init(&handle, arn_family_new(with), (enum arn_tag)tag);
	churn_heap(&handle, &rng, tap_scale(6000));
	no_errors("tag %u, %s provider: blocks whole, sums right", tag, with ? "with" : "without");
	ok(has_no_pool(handle.heap), "tag %u: every pool leaves its heap", tag);
	seen_by_readers = now;
	limbo_poll_all(handle.family, false);
	ok(waiting_pools(handle.family) == 0 && tally_read_all(&arena_counters.x_waiting) == 0 &&
	           tally_read_all(&arena_counters.x_limbo) == 0,
	   "tag %u: and then the limbo", tag);
	arn_heap_abandon(&handle);
}

/* Set how much is kept.  A test that calls this ends with restore_retain. */
static void set_retain(size_t bytes)
{
	option_values[OPTION_RETAIN] = bytes;
	option_values[OPTION_RETAIN_PERCENT] = 0;
	retain_forget();
}

static void restore_retain(void)
{
	set_retain(8 * MIB);
	option_values[OPTION_RETAIN_PERCENT] = 10;
}

/*
 * While there are readers a pool waits, and serves the same class again, in any heap of the family.
 */
static void test_waiting(void)
{
	arn_family *family = arn_family_new(&provider);
	arn_heap first, second, other;
	void *block, *large;
	size_t waiting;

	set_retain(1024 * MIB);
	now = seen_by_readers = 0;
	arn_heap_init(&first, family, ARN_TAG_GC);
	arn_heap_init(&second, family, ARN_TAG_GC);
	arn_heap_init(&other, family, ARN_TAG_OBJECT);
	block = arn_heap_malloc(&first, 20000);
	large = arn_heap_malloc(&first, 500000);
	arn_free(block);
	arn_free(large);
	ok(now == 2 && load_relaxed(&first.heap->x_pools) == 0 && waiting_pools(family) == 2,
	   "empty pools leave their heap and wait for the provider");
	waiting = tally_read_all(&arena_counters.x_waiting);
	ok(waiting >= 520000 && waiting <= pool_span(arena_pool_at(block)->lead) + 512 * KIB,
	   "with their pages: %zu bytes are resident", waiting);
	limbo_poll_all(family, false);
	ok(waiting_pools(family) == 2, "they stay while it says no");
	ok(arn_heap_malloc(&other, 20000) != block, "they do not serve another tag");
	ok(arn_heap_malloc(&second, 300000) != large,
	   "a large pool does not serve a much smaller block");
	ok(arn_heap_malloc(&second, 490000) == large, "one of nearly the size does");
	ok(arn_heap_malloc(&second, 20000) == block && pool_find(block)->x_heap == second.heap,
	   "the same size class serves in another heap");
	ok(waiting_pools(family) == 0 && tally_read_all(&arena_counters.x_waiting) == 0,
	   "and they wait no longer");
	arn_free(large);
	ok(waiting_pools(family) == 1 && now == 3, "and wait again when they fall empty");
	limbo_poll_all(family, true);
	ok(waiting_pools(family) == 0 && !pool_find(large),
	   "with all readers stopped they leave at once");
	restore_retain();
	arn_heap_abandon(&first);
	arn_heap_abandon(&second);
	arn_heap_abandon(&other);
}

/* What waits is not in use: so no more may be kept, the more of it there is. */
static void test_not_in_use(void)
{
	static void *block[200];
	size_t waiting, limit;
	arn_heap handle;

	arn_trim();
	set_retain(MIB);
	option_values[OPTION_RETAIN_PERCENT] = 1000;
	limit = retain_limit();
	now = seen_by_readers = 0;
	arn_heap_init(&handle, arn_family_new(&provider), ARN_TAG_OBJECT);
	for (unsigned i = 0; i < array_length(block); i++)
		memset(block[i] = arn_heap_malloc(&handle, 200 * KIB), 1, 200 * KIB);
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
	waiting = tally_read_all(&arena_counters.x_waiting);
	ok(waiting > 0 && waiting <= limit,
	   "with RETAIN_PERCENT=1000 %zu KiB wait with their pages, and %zu may be kept",
	   waiting / KIB, limit / KIB);
	seen_by_readers = now;
	limbo_poll_all(handle.family, false);
	arn_heap_abandon(&handle);
	restore_retain();
}

/* Beyond the limit an empty pool's pages go back before it waits: it reads as zeros, and serves its
 * size as before. */
static void test_purged(void)
{
	arn_family *family = arn_family_new(&provider);
	size_t limbo = tally_read_all(&arena_counters.x_limbo);
	arn_heap handle;
	uint64_t *block;

	set_retain(0);
	now = seen_by_readers = 0;
	arn_heap_init(&handle, family, ARN_TAG_OBJECT);
	block = arn_heap_malloc(&handle, 5000);
	block[0] = block[600] = 42;
	arn_free(block);
	ok(pool_find(block) && block[0] == 0 && block[600] == 0, "its pages have gone back");
	ok(tally_read_all(&arena_counters.x_waiting) == 0 &&
	           tally_read_all(&arena_counters.x_limbo) > limbo,
	   "it waits, and is not counted as kept");
	arn_heap_abandon(&handle);
	limbo_poll(family);
	ok(pool_find(block), "and waits");
	seen_by_readers = now;
	limbo_poll(family);
	ok(!pool_find(block), "with the readers gone anybody lets it go");
	restore_retain();
}

/*
 * Pools that fell empty early do not wait for those that fell empty late, nor the other way round.
 */
static void test_behind(void)
{
	arn_family *family = arn_family_new(&provider);
	void *early[2], *late[2];
	arn_heap handle;

	now = seen_by_readers = 0;
	arn_heap_init(&handle, family, ARN_TAG_OBJECT);
	for (unsigned i = 0; i < 2; i++) {
		early[i] = arn_heap_malloc(&handle, 60000 + i * 100000);
		late[i] = arn_heap_malloc(&handle, 30000 + i * 200000);
	}
	arn_free(early[0]);
	arn_free(early[1]);
	cache_flush(handle.heap);
	seen_by_readers = now;
	arn_free(late[0]);
	arn_free(late[1]);
	cache_flush(handle.heap);
	limbo_poll_all(family, false);
	ok(!pool_find(early[0]) && pool_find(late[0]),
	   "a pool whose goal is reached leaves, though others wait");
	seen_by_readers = now;
	limbo_poll_all(family, false);
	ok(!pool_find(late[0]) && waiting_pools(family) == 0,
	   "and those leave when theirs is reached");
	arn_heap_abandon(&handle);
}

/* ---- pools without pages among others -------------------------------------------------------- */

/* Is the thread a user of the family?  And are the readers of small pools not done for long? */
static bool attached, far;

static uint64_t goal_or_far(size_t bytes)
{
	return far && bytes < MIB ? LIMBO_NO_GOAL - 1 : goal(bytes);
}

static bool is_attached(const arn_family *of)
{
	(void)of;
	return attached;
}

static const struct arn_provider with_users = { .goal = goal_or_far,
	                                        .reached = reached,
	                                        .is_user = is_attached };

/* They fall empty while the thread is no user, so they have no goal, and nothing may be kept. */
static void leave_space(arn_heap *heap)
{
	void *block[80];

	set_retain(0);
	attached = false;
	for (unsigned i = 0; i < array_length(block); i++)
		block[i] = arn_heap_malloc(heap, MIB);
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
	set_retain(1024 * MIB);
	attached = true;
}

/* One pool with pages for each third class. */
static void leave_pools(arn_heap *heap)
{
	far = true;
	for (unsigned cls = 0; cls < CLASSES; cls += 3)
		arn_free(arn_heap_malloc(heap, sizeclasses[cls].size));
	cache_flush(heap->heap);
	wait_hand_over(heap->heap);
	far = false;
}

/* Readers pass all the time, and the clock goes on; but the readers of many pools with pages are
 * not done. */
static void test_space(void)
{
	arn_family *family = arn_family_new(&with_users);
	size_t before, after;
	arn_heap heap[ARN_TAGS];

	now = seen_by_readers = 0;
	for (unsigned tag = ARN_TAG_OBJECT; tag < ARN_TAGS; tag++)
		arn_heap_init(&heap[tag], family, (enum arn_tag)tag);
	leave_space(&heap[ARN_TAG_OBJECT]);
	for (unsigned tag = ARN_TAG_OBJECT; tag < ARN_TAGS; tag++)
		leave_pools(&heap[tag]);
	before = tally_read_all(&arena_counters.x_limbo);
	for (unsigned i = 0; i < 50; i++, add_relaxed(&os_ahead, 1)) {
		tend_family(heap[ARN_TAG_OBJECT].heap);
		seen_by_readers = now;
	}
	after = tally_read_all(&arena_counters.x_limbo);
	ok(waiting_pools(family) >= 40 && before > 3 * LIMBO_SPACE && after <= LIMBO_SPACE,
	   "of %zu MiB without pages %zu are left, while %zu pools wait", before / MIB, after / MIB,
	   waiting_pools(family));
	seen_by_readers = LIMBO_NO_GOAL;
	for (unsigned tag = ARN_TAG_OBJECT; tag < ARN_TAGS; tag++)
		arn_heap_abandon(&heap[tag]);
	restore_retain();
	arn_trim();
}

/* A pool leaves its list when it is full, and comes back with its first free block. */
static void test_lists(void)
{
	arn_heap handle;
	const unsigned cls = sizeclass_of(16 * KIB),
		       capacity = sizeclasses[sizeclass_of(16 * KIB)].capacity;
	void *block[64];

	arn_heap_init(&handle, family, ARN_TAG_MEM);
	for (unsigned i = 0; i < 2 * capacity; i++)
		block[i] = arn_heap_malloc(&handle, 16 * KIB);
	cache_flush(handle.heap);
	ok(!handle.heap->partial[cls] && live_pools(handle.heap) == 2,
	   "two full pools are in no partial list");
	arn_free(block[0]);
	cache_flush(handle.heap);
	ok(handle.heap->partial[cls] == pool_find(block[0]) && heap_is_valid(handle.heap),
	   "one free block: listed");
	for (unsigned i = 1; i < 2 * capacity; i++)
		arn_free(block[i]);
	ok(has_no_pool(handle.heap), "all free: gone");
	arn_heap_abandon(&handle);
}

static void churn(unsigned self)
{
	struct rng rng = rng_start(50 + self);
	arn_heap handle;

	arn_heap_init(&handle, family, (enum arn_tag)(self % ARN_TAGS));
	churn_heap(&handle, &rng, tap_scale(6000));
	expect(has_no_pool(handle.heap));
	arn_heap_abandon(&handle);
}

int main(void)
{
	family = arn_family_new(NULL);
	test_model(NULL, ARN_TAG_MEM);
	test_model(&provider, ARN_TAG_MEM);
	test_model(&provider, ARN_TAG_GC_PRE);
	test_waiting();
	test_not_in_use();
	test_purged();
	test_behind();
	test_space();
	test_lists();
	yield_start(tap_seed(), 50);
	threads(WORKERS, churn);
	yield_start(0, 0);
	no_errors("threads on one stock of arenas, a heap each: blocks whole, sums right, nothing "
	          "left");
	return done();
}
