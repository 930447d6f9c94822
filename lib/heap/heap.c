/* SPDX-License-Identifier: MIT */
#include "heap/heap.h"

#include "heap/empty.h"
#include "heap/queued.h"
#include "arena/retain.h"
#include "arena/supply.h"
#include "heap/stock.h"
#include "heap/sweep.h"

/* The list is circular, so its last pool is the one before the first: there the pool is put, and
 * refills come to it when the pools before it are full. */
static void list_partial(struct heap *heap, struct pool *pool)
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

/* The next pool in the circle becomes the first if this one was. */
void heap_unlist(struct heap *heap, struct pool *pool)
{
	struct pool **first = &heap->partial[pool->cls];

	pool->next->prev = pool->prev;
	pool->prev->next = pool->next;
	if (*first == pool)
		*first = pool->next == pool ? NULL : pool->next;
	pool->listed = false;
}

/* The pool is appended, so that a walk meets the pools in the order in which they were made. */
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

/* Takes the pool out of all lists of the heap.  It is not queued, so nothing else leads to it. */
static void detach_pool(struct heap *heap, struct pool *pool)
{
	if (pool->listed)
		heap_unlist(heap, pool);
	unlink_pool(heap, pool);
	sweep_forget(heap, pool);
}

void heap_attach_pool(struct heap *heap, struct pool *pool)
{
	link_pool(heap, pool);
	if (pool->cls != CLASS_LARGE)
		list_partial(heap, pool);
}

/* A waiting pool keeps its size class, so only the heap that its descriptor names changes. */
struct pool *heap_take_waiting(struct heap *heap, unsigned cls, size_t slices)
{
	struct pool *pool = empty_take(heap, cls, slices);

	if (pool && load_relaxed(&pool->x_heap) != heap)
		pool_adopt(pool, heap);
	return pool;
}

/* The size of a block with an arena of its own.  Slices beyond what was asked for may have pages;
 * they count as part of the block and not as its tail, since a tail has none. */
static size_t carved_size(const struct run *run, size_t block_size)
{
	return run->arena->huge ? max_size(block_size, (run->slices - run->clean) * SLICE)
	                        : block_size;
}

/* Whether the slices have pages is noted: without them they are faults for retain.h when they are
 * touched.  At level 2 of option CHECKS pool_carve has touched all of a pool that has a class. */
struct pool *heap_carve_run(struct heap *heap, unsigned cls, const struct run *run,
                            size_t block_size)
{
	struct pool *pool = pool_carve(run, heap, cls, heap->tag, carved_size(run, block_size));

	if (cls == CLASS_LARGE) {
		retain_note_fault(run->clean * SLICE - pool_tail(pool));
		sweep_note_tail(pool, 0);
	} else if (run->clean == run->slices && option(OPTION_CHECKS) < 2) {
		sweep_mark_clean(pool);
		pool->settled = retain_note_claim(pool_span(pool));
	}
	return pool;
}

/* Makes a pool of slices from the heap's stock, or of others that it claims.  Before that, some
 * pools that wait are released, so that memory which has waited long enough serves again before
 * more is claimed.  NULL: there is no memory, and the heap is as it was. */
struct pool *heap_carve_pool(struct heap *heap, unsigned cls, size_t slices, size_t block_size)
{
	struct run run;

	empty_poll(heap);
	if (!stock_take(heap, slices, cls == CLASS_LARGE, &run) && !supply_claim(slices, &run))
		return NULL;
	if (run.clean)
		empty_make_room(heap, run.growth);
	return heap_carve_run(heap, cls, &run, block_size);
}

struct pool *heap_add_pool(struct heap *heap, unsigned cls)
{
	struct pool *pool = heap_take_waiting(heap, cls, 0);

	if (!pool)
		pool = heap_carve_pool(heap, cls, sizeclasses[cls].slices, 0);
	if (!pool)
		return NULL;
	heap_attach_pool(heap, pool);
	return pool;
}

/* The pool is empty.  With a provider it waits for readers, else it goes to the heap's stock, or
 * back to its arena.  If it is queued for this heap it must stay, because a list leads to it: its
 * drain calls heap_reclassify_pool, which asks again. */
static void release_empty(struct heap *heap, struct pool *pool)
{
	if (!queued_may_release(pool))
		return;
	detach_pool(heap, pool);
	empty_add(heap, pool);
}

/* A pool that was full is partial now; one that is empty leaves.  It is both, if all of its blocks
 * have returned at once. */
void heap_reclassify_pool(struct heap *heap, struct pool *pool, uint32_t before)
{
	/* A large pool is never listed: it has one block, which is taken as soon as it is made. */
	if (before == 0 && pool->cls != CLASS_LARGE)
		list_partial(heap, pool);
	if (pool_is_empty(pool)) {
		pool->left = 0;
		release_empty(heap, pool);
	}
}

static bool list_is_valid(const struct heap *heap, unsigned cls)
{
	const struct pool *first = heap->partial[cls], *pool = first;

	if (!first)
		return true;
	do {
		if (pool->cls != cls || !pool->listed || pool_free_count(pool) == 0 ||
		    pool->next->prev != pool)
			return false;
	} while ((pool = pool->next) != first);
	return true;
}

/* Goes through all pools and lists.  heap_out_blocks must be the sum of their capacities less their
 * free blocks, and heap_out_bytes that in bytes. */
bool heap_is_valid(const struct heap *heap)
{
	size_t blocks = 0, bytes = 0;

	for (const struct pool *pool = heap->all_first; pool; pool = pool->all_next) {
		if (load_relaxed(&pool->x_heap) != heap ||
		    (pool->cls != CLASS_LARGE && !pool_is_valid(pool)))
			return false;
		blocks += pool->capacity - pool_free_count(pool);
		bytes += (pool->capacity - pool_free_count(pool)) * pool->block_size;
	}
	for (unsigned cls = 0; cls < CLASSES; cls++)
		if (!list_is_valid(heap, cls))
			return false;
	return blocks == heap_out_blocks(heap) && bytes == heap_out_bytes(heap) &&
	       sweep_is_valid(heap);
}
