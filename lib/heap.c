/* SPDX-License-Identifier: MIT */
#include "heap.h"

#include "cache.h"
#include "limbo.h"
#include "os.h"
#include "panic.h"
#include "remote.h"
#include "retain.h"
#include "sweep.h"

struct heap heap_none;
static _Atomic size_t x_heaps;

void heap_init(struct heap *heap, arn_family *family, unsigned tag)
{
	heap->family = family;
	heap->tag = (uint8_t)tag;
	heap->deferred = family->provider && tag != ARN_TAG_MEM;
	cache_init(heap);
	add_relaxed(&x_heaps, 1);
}

size_t heap_count(void)
{
	return max_size(1, load_relaxed(&x_heaps));
}

static void list(struct heap *heap, struct pool *pool)
{
	struct pool **first = &heap->partial[pool->cls];

	if (*first) {
		pool->next = *first;
		pool->prev = (*first)->prev;
		pool->prev->next = pool->next->prev = pool;
	} else {
		*first = pool->next = pool->prev = pool;
	}
	pool->listed = true;
}

void heap_unlist(struct heap *heap, struct pool *pool)
{
	struct pool **first = &heap->partial[pool->cls];

	pool->next->prev = pool->prev;
	pool->prev->next = pool->next;
	if (*first == pool)
		*first = pool->next == pool ? NULL : pool->next;
	pool->listed = false;
}

/* Appended, so that a walk meets the pools in the order in which they were made. */
static void link_pool(struct heap *heap, struct pool *pool)
{
	pool->all_next = NULL;
	pool->all_prev = heap->all_last;
	*(heap->all_last ? &heap->all_last->all_next : &heap->all_first) = pool;
	heap->all_last = pool;
	count_add(&heap->x_pools, 1);
	count_add(&heap->x_pool_bytes, pool_span(pool));
}

static void unlink_pool(struct heap *heap, struct pool *pool)
{
	*(pool->all_prev ? &pool->all_prev->all_next : &heap->all_first) = pool->all_next;
	*(pool->all_next ? &pool->all_next->all_prev : &heap->all_last) = pool->all_prev;
	count_sub(&heap->x_pools, 1);
	count_sub(&heap->x_pool_bytes, pool_span(pool));
}

static void detach(struct heap *heap, struct pool *pool)
{
	if (pool->listed)
		heap_unlist(heap, pool);
	unlink_pool(heap, pool);
	sweep_forget(heap, pool);
}

static void release(struct heap *heap, struct pool *pool)
{
	if (!remote_may_release(pool))
		return;
	detach(heap, pool);
	pool->purged |= sweep_is_clean(pool);
	pool_release(pool);
}

struct pool *heap_add_pool(struct heap *heap, unsigned cls)
{
	struct run run;
	struct pool *pool;

	heap_collect(heap, false);
	if (!arena_claim(sizeclasses[cls].slices, &run))
		return NULL;
	pool = pool_carve(&run, heap, cls, heap->tag, 0);
	if (pool->zeroed)
		sweep_purged(heap, pool);
	link_pool(heap, pool);
	list(heap, pool);
	return pool;
}

static void queue_waiting(struct heap *heap, struct pool *pool)
{
	pool->waiting = true;
	pool->wait_next = NULL;
	*(heap->wait_first ? &heap->wait_last->wait_next : &heap->wait_first) = pool;
	heap->wait_last = pool;
}

/*
 * The pages of an empty pool need not wait for anybody: a late reader finds zeros where the header was, which is no
 * object that it could take a reference to.  The address range stays as it is until the goal is reached.
 */
static bool purge_empty(struct heap *heap, struct pool *pool)
{
	if (os_purge(pool->base, pool_span(pool)) != 0)
		return false;
#ifdef ARN_BUG_purge_to_garbage
	__builtin_memset(pool->base, 0xdd, pool_span(pool));
#endif
	pool->purged = true;
	pool->zeroed = false;
	sweep_purged(heap, pool);
	arena_count_purge(pool_span(pool));
	return true;
}

/* Blocks of a family may come home by a thread that is no user of it: it has no goal to give. */
#define NO_GOAL UINT64_MAX

/* A goal taken now covers every reader that may have seen the last block. */
static uint64_t goal_of(const struct heap *heap, const struct pool *pool)
{
	return family_is_user(heap->family) ? heap->family->provider->goal(pool_span(pool)) : NO_GOAL;
}

static bool is_reached(const struct heap *heap, struct pool *pool)
{
#ifdef ARN_BUG_wait_at_once
	return true;
#endif
	if (!family_is_user(heap->family))
		return false;
	if (pool->goal == NO_GOAL)
		pool->goal = goal_of(heap, pool);
	return heap->family->provider->reached(pool->goal);
}

static void wait_in_heap(struct heap *heap, struct pool *pool, bool purged)
{
	pool->goal = goal_of(heap, pool);
	pool->purged = purged;
	add_relaxed(&arena_counters.x_waiting, purged ? 0 : pool_span(pool));
	if (!pool->waiting)
		queue_waiting(heap, pool);
}

/* Waiting and not purged: it has been in use since, and is still counted. */
static void wait_for_readers(struct heap *heap, struct pool *pool)
{
	bool purged;

	sweep_forget(heap, pool);
	if (pool->waiting && !pool->purged)
		sub_relaxed(&arena_counters.x_waiting, pool_span(pool));
	purged = arena_keeps_enough() && purge_empty(heap, pool);
	if (!purged || pool->waiting || !remote_may_release(pool)) {
		wait_in_heap(heap, pool, purged);
		return;
	}
	detach(heap, pool);
	limbo_push(heap->family, pool);
}

static struct pool *pop_waiting(struct heap *heap)
{
	struct pool *pool = heap->wait_first;

	heap->wait_first = pool->wait_next;
	pool->waiting = false;
	if (!pool->purged)
		sub_relaxed(&arena_counters.x_waiting, pool_span(pool));
	return pool;
}

static void release_waiting(struct heap *heap, bool stopped)
{
	struct pool *pool;

	while ((pool = heap->wait_first) != NULL) {
		if (pool_is_empty(pool) && !stopped && !is_reached(heap, pool))
			return;
		pop_waiting(heap);
		if (pool_is_empty(pool))
			release(heap, pool);
		else
			pool->purged = false;
	}
}

/* The limbo is asked in any case: the pools there have goals of their own, and may be the only ones that can leave. */
void heap_collect(struct heap *heap, bool stopped)
{
	release_waiting(heap, stopped);
	if (heap->deferred)
		limbo_collect(heap->family, stopped);
}

/* Empty pools go to the end: the partial ones fill up first, and these can leave. */
static void settle_empty(struct heap *heap, struct pool *pool)
{
	if (!heap->deferred) {
		release(heap, pool);
		return;
	}
	if (pool->listed) {
		heap_unlist(heap, pool);
		list(heap, pool);
	}
	wait_for_readers(heap, pool);
	heap_collect(heap, false);
}

void heap_settle_pool(struct heap *heap, struct pool *pool, uint32_t before)
{
	/* large pools are never listed: they have one block, taken as soon as they are made */
	if (before == 0 && pool->cls != CLASS_LARGE)
		list(heap, pool);
	if (pool_is_empty(pool)) {
		pool->left = 0;
		settle_empty(heap, pool);
	}
}

/*
 * Large blocks.  An empty large pool that waits for its goal may serve again at once: its one block begins
 * where the old one began, so a late reader finds an object header there, or the old words.
 */
static struct pool *reuse_waiting(struct heap *heap, size_t slices)
{
	struct pool **link = &heap->wait_first, *pool;

	for (unsigned tries = 0; (pool = *link) != NULL && tries < 16; tries++, link = &pool->wait_next) {
		if (pool->cls != CLASS_LARGE || pool->slices < slices || pool->slices > slices + slices / 4)
			continue;
		if (pool_is_empty(pool))
			return pool; /* stays in the list; heap_collect drops it from there, being in use */
	}
	return NULL;
}

/* Four sizes for each doubling: a buffer that grows by an eighth grows in place every other time, and what it does not
 * touch is not resident. */
static size_t large_size(size_t size)
{
	unsigned k = 63 - (unsigned)__builtin_clzll(size - 1);

	return align_up(size, (size_t)1 << (k - 2));
}

static struct pool *claim_large(struct heap *heap, size_t wanted)
{
	size_t size = large_size(wanted), slices = (size + SLICE - 1) / SLICE;
	struct pool *pool;
	struct run run;

	heap_collect(heap, false);
	pool = reuse_waiting(heap, slices);
	if (pool) {
		pool->zeroed = false;
		pool->block_size = size;
		return pool;
	}
	if (!arena_claim(slices, &run))
		return NULL;
	retain_missed(run.fresh * SLICE);
	pool = pool_carve(&run, heap, CLASS_LARGE, heap->tag, size);
	link_pool(heap, pool);
	return pool;
}

void *large_malloc(struct heap *heap, size_t size, bool *zeroed)
{
	struct pool *pool = claim_large(heap, size);
	void *block;

	if (!pool)
		return NULL;
	pool_take(pool, &block, 1);
	*zeroed = pool->zeroed;
	heap_count_out(heap, pool, 1);
	return block;
}

static bool list_is_valid(const struct heap *heap, unsigned cls)
{
	const struct pool *first = heap->partial[cls], *pool = first;

	if (!first)
		return true;
	do {
		if (pool->cls != cls || !pool->listed || pool_free_count(pool) == 0 || pool->next->prev != pool)
			return false;
	} while ((pool = pool->next) != first);
	return true;
}

/* x_out_blocks == capacities - free, summed over the pools */
bool heap_is_valid(const struct heap *heap)
{
	size_t blocks = 0, bytes = 0;

	for (const struct pool *pool = heap->all_first; pool; pool = pool->all_next) {
		if (load_relaxed(&pool->x_heap) != heap || (pool->cls != CLASS_LARGE && !pool_is_valid(pool)))
			return false;
		blocks += pool->capacity - pool_free_count(pool);
		bytes += (pool->capacity - pool_free_count(pool)) * pool->block_size;
	}
	for (unsigned cls = 0; cls < CLASSES; cls++)
		if (!list_is_valid(heap, cls))
			return false;
	return blocks == load_relaxed(&heap->x_out_blocks) && bytes == load_relaxed(&heap->x_out_bytes) &&
	       sweep_is_valid(heap);
}
