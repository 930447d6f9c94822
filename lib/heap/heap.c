/* SPDX-License-Identifier: MIT */
#include "heap/heap.h"

#include "heap/cache.h"
#include "heap/limbo.h"
#include "base/option.h"
#include "heap/remote.h"
#include "arena/retain.h"
#include "heap/sweep.h"

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

static void detach_pool(struct heap *heap, struct pool *pool)
{
	if (pool->listed)
		heap_unlist(heap, pool);
	unlink_pool(heap, pool);
	sweep_forget(heap, pool);
}

static void attach_pool(struct heap *heap, struct pool *pool)
{
	link_pool(heap, pool);
	if (pool->cls != CLASS_LARGE)
		list_partial(heap, pool);
}

/* One that waits for readers, of the same shape, or NULL. */
static struct pool *take_waiting(struct heap *heap, unsigned cls, size_t slices)
{
	struct pool *pool = heap->deferred ? limbo_take(heap->family, heap->tag, cls, slices) : NULL;

	if (pool)
		pool_adopt(pool, heap);
	return pool;
}

/* Of free slices. */
static struct pool *carve_pool(struct heap *heap, unsigned cls, size_t slices, size_t block_size)
{
	struct pool *pool;
	struct run run;

	if (heap->deferred)
		limbo_poll(heap->family);
	if (!arena_claim(slices, &run))
		return NULL;
	pool = pool_carve(&run, heap, cls, heap->tag, block_size);
	if (cls == CLASS_LARGE) {
		retain_note_fault(run.clean * SLICE);
		sweep_note_tail(pool, 0);
	} else if (run.clean == run.slices) {
		sweep_mark_clean(pool);
	}
	return pool;
}

struct pool *heap_add_pool(struct heap *heap, unsigned cls)
{
	struct pool *pool = take_waiting(heap, cls, 0);

	if (!pool)
		pool = carve_pool(heap, cls, sizeclasses[cls].slices, 0);
	if (pool)
		attach_pool(heap, pool);
	return pool;
}

/* A pool that is queued for this heap stays: its drain asks again. */
static void release_empty(struct heap *heap, struct pool *pool)
{
	if (!remote_may_release(pool))
		return;
	detach_pool(heap, pool);
	if (heap->deferred)
		limbo_add(heap->family, pool);
	else
		sweep_release(pool);
}

void heap_reclassify_pool(struct heap *heap, struct pool *pool, uint32_t before)
{
	/* large pools are never listed: they have one block, taken as soon as they are made */
	if (before == 0 && pool->cls != CLASS_LARGE)
		list_partial(heap, pool);
	if (pool_is_empty(pool)) {
		pool->left = 0;
		release_empty(heap, pool);
	}
}

/* ---- large blocks ------------------------------------------------------------------------------------------ */

/* Four sizes for each doubling: a buffer that grows by an eighth grows in place every other time, and what it does not
 * touch is not resident.  Where a limit counts what it may touch, it is what it takes. */
size_t large_size(size_t size)
{
	unsigned k = 63 - (unsigned)__builtin_clzll(size - 1);

	if (option(OPTION_LIMIT))
		return align_up(size, SLICE);
	return align_up(size, (size_t)1 << (k - 2));
}

/* An empty large pool that waits for its goal may serve again at once: its one block begins where the old one began, so
 * a late reader finds an object header there, or the old words. */
static struct pool *take_large(struct heap *heap, size_t size)
{
	struct pool *pool = take_waiting(heap, CLASS_LARGE, slices_of(size));
	size_t resident, tail;

	if (!pool)
		return NULL;
	resident = sweep_resident(pool);
	if (!arena_admits(size - min_size(size, resident))) {
		limbo_add(heap->family, pool);
		return NULL;
	}
	sweep_mark_resident(pool);
	tail = pool_tail(pool);
	/* what may have pages beyond the block is not its tail */
	pool->block_size = arena_at(pool)->huge && resident ? max_size(size, pool->block_size) : size;
	sweep_note_tail(pool, tail);
	pool->reads_zero = false;
	return pool;
}

static struct pool *claim_large(struct heap *heap, size_t wanted)
{
	size_t size = large_size(wanted);
	struct pool *pool = take_large(heap, size);

	if (!pool)
		pool = carve_pool(heap, CLASS_LARGE, slices_of(size), size);
	if (pool)
		attach_pool(heap, pool);
	return pool;
}

void *large_malloc(struct heap *heap, size_t size)
{
	struct pool *pool = claim_large(heap, size);
	void *block;

	if (!pool)
		return NULL;
	pool_take(pool, &block, 1);
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
