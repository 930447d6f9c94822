/* SPDX-License-Identifier: MIT
 *
 * pool - the bitmaps of one pool, compared with a model for every size class, and the bits that
 * other threads set in them.
 */
#include "support/core.h"

#include "arena/pool.h"
#include "arena/supply.h"

enum { WORKERS = 4 };

static struct heap *const some_heap = (struct heap *)0x1000; /* never looked into */

static struct pool *carve(unsigned cls, size_t large_size)
{
	size_t slices = cls == CLASS_LARGE ? (large_size + SLICE - 1) / SLICE
	                                   : sizeclasses[cls].slices;
	struct run run;

	if (!supply_claim(slices, &run))
		bail("no memory");
	return pool_carve(&run, some_heap, cls, 0, large_size);
}

/* pool_is_valid also checks the list in which a heap would have the pool. */
static bool is_valid(struct pool *pool)
{
	pool->listed = pool_free_count(pool) != 0;
	return pool_is_valid(pool);
}

/* ---- against a model ------------------------------------------------------------------------- */

static bool taken[BLOCKS_MAX];
static void *slots[BLOCKS_MAX + 1];

static void take_some(struct pool *pool, unsigned want)
{
	uint32_t before = pool_free_count(pool);
	unsigned n = pool_take(pool, slots, want);

	expect(n == min_size(want, before) && pool_free_count(pool) == before - n);
	for (unsigned i = 0; i < n; i++) {
		uint32_t index = pool_index(pool, slots[i]);

		expect(pool_is_block(pool, slots[i]) && !taken[index] &&
		       (i == 0 || slots[i] < slots[i - 1]));
		taken[index] = true;
	}
}

static char *block_at(const struct pool *pool, uint32_t index)
{
	return pool->base + index * pool->block_size;
}

/* Give runs of blocks, with one at the end that lies elsewhere and must not be taken. */
static void give_some(struct pool *pool, struct rng *rng)
{
	unsigned n = 0;

	for (unsigned tries = (unsigned)rng_below(rng, pool->capacity); tries > 0; tries--) {
		uint32_t index = (uint32_t)rng_below(rng, pool->capacity);

		if (!taken[index])
			continue;
		expect(!pool_is_free(pool, block_at(pool, index)));
		slots[n++] = block_at(pool, index);
		taken[index] = false;
	}
	slots[n] = rng_below(rng, 2) ? pool->base - 16 : pool->base + pool_span(pool);
	expect(pool_give(pool, slots, n + 1) == n);
	while (n-- > 0)
		expect(pool_is_free(pool, slots[n]));
}

/* The same as remote.c does. */
static void free_remotely(struct pool *pool, uint32_t index)
{
	or_seq(load_relaxed(&pool->x_remote) + index / 64, (uint64_t)1 << index % 64);
}

static void drain_some(struct pool *pool, struct rng *rng)
{
	unsigned sent = 0;

	for (unsigned tries = (unsigned)rng_below(rng, pool->capacity); tries > 0; tries--) {
		uint32_t index = (uint32_t)rng_below(rng, pool->capacity);

		if (!taken[index])
			continue;
		free_remotely(pool, index);
		expect(pool_is_free(pool, block_at(pool, index)));
		taken[index] = false;
		sent++;
	}
	expect(pool_drain(pool) == sent && pool_drain(pool) == 0);
}

static void give_all(struct pool *pool)
{
	unsigned n = 0;

	for (uint32_t index = 0; index < pool->capacity; index++)
		if (taken[index])
			slots[n++] = block_at(pool, index);
	expect(pool_give(pool, slots, n) == n);
	expect(pool_is_empty(pool) && is_valid(pool));
	memset(taken, 0, sizeof(taken));
}

static void walk_class(unsigned cls, struct rng *rng)
{
	struct pool *pool = carve(cls, 0);

	expect(pool->capacity == sizeclasses[cls].capacity && pool_is_empty(pool) &&
	       is_valid(pool));
	take_some(pool, BLOCKS_MAX);
	expect(pool_free_count(pool) == 0 && is_valid(pool));
	for (long i = tap_scale(12); i > 0; i--) {
		give_some(pool, rng);
		expect(is_valid(pool));
		take_some(pool, (unsigned)rng_below(rng, 200));
		drain_some(pool, rng);
		expect(is_valid(pool));
	}
	give_all(pool);
	pool_release(pool, true);
	expect(!pool_find(pool->base));
}

static void test_model(void)
{
	struct rng rng = rng_start(1);

	for (unsigned cls = 0; cls < CLASSES; cls++)
		walk_class(cls, &rng);
	no_errors("each class: what is taken, given and drained is what the model says");
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* Gives n blocks from this index on, upwards or downwards, and one behind them that lies beside the
 * last of them, but outside the pool. */
static bool gives_all_but_last(struct pool *pool, uint32_t first, unsigned n, bool up)
{
	size_t step = up ? pool->block_size : 0 - pool->block_size;
	uint32_t before = pool_free_count(pool);

	for (unsigned i = 0; i <= n; i++)
		slots[i] = block_at(pool, first) + i * step;
	return pool_give(pool, slots, n + 1) == n && pool_free_count(pool) == before + n &&
	       is_valid(pool);
}

/* Every other block upwards, then those between them downwards. */
static bool gives_every_other(struct pool *pool)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < pool->capacity; i += 2)
		slots[n++] = block_at(pool, i);
	for (uint32_t i = pool->capacity; i-- > 0;)
		if (i % 2 == 1)
			slots[n++] = block_at(pool, i);
	return pool_give(pool, slots, n) == n && pool_is_empty(pool) && is_valid(pool);
}

/* Neighbours are given as one: the run must end with the pool, on both sides. */
static void test_neighbours(void)
{
	for (unsigned cls = 0; cls < CLASSES; cls++) {
		struct pool *pool = carve(cls, 0);
		uint32_t half = pool->capacity / 2;

		pool_take(pool, slots, BLOCKS_MAX);
		expect(half == 0 || gives_all_but_last(pool, half - 1, half, false));
		expect(gives_all_but_last(pool, half, pool->capacity - half, true));
		pool_take(pool, slots, BLOCKS_MAX);
		expect(gives_every_other(pool));
		pool_release(pool, true);
	}
	no_errors("each class: runs of neighbours, upwards and downwards, end with the pool");
}

static void test_find(void)
{
	int on_stack;

	for (unsigned cls = 0; cls < CLASSES; cls += 3) {
		struct pool *pool = carve(cls, 0);
		size_t end = (size_t)pool->capacity * pool->block_size;

		for (size_t offset = 0; offset < pool_span(pool); offset += 8 + offset % 24) {
			char *address = pool->base + offset;

			expect(pool_find(address) == pool);
			expect(pool_is_block(pool, address) ==
			       (offset < end && offset % pool->block_size == 0));
		}
		expect(pool_find(pool->base - 1) != pool &&
		       pool_find(pool->base + pool_span(pool)) != pool);
		expect(is_valid(pool));
		pool_release(pool, true);
	}
	no_errors("a pool is found by each of its bytes, a block only by its start");
	ok(!pool_find(&on_stack) && !pool_find(NULL) && !pool_find((void *)16) &&
	           !pool_find((void *)(UINTPTR_MAX - 15)),
	   "no pool at addresses of others");
}

static void test_large(void)
{
	size_t size = 300000;
	struct pool *pool = carve(CLASS_LARGE, size);
	void *block = NULL, *other;

	ok(pool->capacity == 1 && pool_take(pool, &block, 5) == 1 && block == pool->base &&
	           pool_take(pool, &other, 1) == 0,
	   "a large pool is one block");
	ok(!pool_is_block(pool, (char *)block + 16) && !pool_is_block(pool, (char *)block + SLICE),
	   "which starts once");
	ok(!pool_is_free(pool, block) && pool_give(pool, &block, 1) == 1 &&
	           pool_is_free(pool, block),
	   "and given back");
	pool_release(pool, true);
	ok(!pool_find(block), "then it is gone");
}

/* ---- threads that set bits while the owner takes them in ------------------------------------- */

static struct pool *shared;
static _Atomic uint32_t x_ticket, x_drained;

/* Each block is freed by one of the threads. */
static void free_and_drain(unsigned self)
{
	uint32_t index;

	while ((index = add_relaxed(&x_ticket, 1)) < shared->capacity) {
		free_remotely(shared, index * 7 % shared->capacity);
		arn_yield_point("test_free");
		if (self == 0)
			add_relaxed(&x_drained, pool_drain(shared));
	}
}

static void test_threads(unsigned cls)
{
	shared = carve(cls, 0);
	for (long i = tap_scale(60); i > 0; i--) {
		expect(pool_take(shared, slots, BLOCKS_MAX) == shared->capacity);
		store_relaxed(&x_ticket, 0);
		store_relaxed(&x_drained, 0);
		threads(WORKERS, free_and_drain);
		add_relaxed(&x_drained, pool_drain(shared));
		expect(load_relaxed(&x_drained) == shared->capacity && pool_is_empty(shared) &&
		       is_valid(shared));
	}
	no_errors("class of %u bytes: no bit is lost between threads and drain",
	          sizeclasses[cls].size);
	pool_release(shared, true);
}

int main(void)
{
	test_model();
	test_neighbours();
	test_find();
	test_large();
	yield_start(tap_seed(), 60);
	test_threads(0);
	test_threads(5);
	test_threads(CLASSES - 1);
	yield_start(0, 0);
	return done();
}
