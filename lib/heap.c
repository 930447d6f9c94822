/* SPDX-License-Identifier: MIT */
#include "heap.h"

#include "cache.h"
#include "panic.h"
#include "remote.h"

struct heap heap_none;

void heap_init(struct heap *heap, arn_family *family, unsigned tag)
{
	heap->family = family;
	heap->tag = (uint8_t)tag;
	heap->deferred = family->provider && tag != ARN_TAG_MEM;
	cache_init(heap);
}

static void list_append(struct list *list, struct pool *pool)
{
	pool->next = NULL;
	pool->prev = list->last;
	*(list->last ? &list->last->next : &list->first) = pool;
	list->last = pool;
	pool->listed = true;
}

static void list_remove(struct list *list, struct pool *pool)
{
	*(pool->prev ? &pool->prev->next : &list->first) = pool->next;
	*(pool->next ? &pool->next->prev : &list->last) = pool->prev;
	pool->listed = false;
}

/* Appended, so that a walk meets the pools in the order in which they were made. */
static void link_pool(struct heap *heap, struct pool *pool)
{
	pool->all_next = NULL;
	pool->all_prev = heap->all.last;
	*(heap->all.last ? &heap->all.last->all_next : &heap->all.first) = pool;
	heap->all.last = pool;
	count_add(&heap->x_pools, 1);
	count_add(&heap->x_pool_bytes, pool_span(pool));
}

static void unlink_pool(struct heap *heap, struct pool *pool)
{
	*(pool->all_prev ? &pool->all_prev->all_next : &heap->all.first) = pool->all_next;
	*(pool->all_next ? &pool->all_next->all_prev : &heap->all.last) = pool->all_prev;
	count_sub(&heap->x_pools, 1);
	count_sub(&heap->x_pool_bytes, pool_span(pool));
}

/* Large pools are never partial: they have one block, taken as soon as they are made. */
static struct list *partial_of(struct heap *heap, const struct pool *pool)
{
	return pool->cls == CLASS_LARGE ? NULL : &heap->partial[pool->cls];
}

/* A queued pool stays: its drain comes here again. */
static void release(struct heap *heap, struct pool *pool)
{
	if (!remote_may_release(pool))
		return;
	if (pool->listed)
		list_remove(partial_of(heap, pool), pool);
	unlink_pool(heap, pool);
	pool_release(pool);
}

void heap_unlist(struct heap *heap, struct pool *pool)
{
	list_remove(partial_of(heap, pool), pool);
}

/* Adopted orphans need no visit at every pool: once in this many. */
#define TIDY_EVERY 16u

struct pool *heap_add_pool(struct heap *heap, unsigned cls)
{
	struct run run;
	struct pool *pool;

	heap_collect(heap, false);
	if (++heap->new_pools % TIDY_EVERY == 0)
		family_tidy_orphan(heap);
	if (!arena_claim(sizeclasses[cls].slices, &run))
		return NULL;
	pool = pool_carve(&run, heap, cls, heap->tag, 0);
	link_pool(heap, pool);
	list_append(&heap->partial[cls], pool);
	return pool;
}

/* A goal taken now covers every reader that may have seen the last block. */
static void wait_for_readers(struct heap *heap, struct pool *pool)
{
	pool->goal = heap->family->provider->goal(pool_span(pool));
	if (pool->waiting)
		return;
	pool->waiting = true;
	pool->wait_next = NULL;
	*(heap->wait_first ? &heap->wait_last->wait_next : &heap->wait_first) = pool;
	heap->wait_last = pool;
	heap->waiting_bytes += pool_span(pool);
}

static struct pool *pop_waiting(struct heap *heap)
{
	struct pool *pool = heap->wait_first;

	heap->wait_first = pool->wait_next;
	pool->waiting = false;
	heap->waiting_bytes -= pool_span(pool);
	return pool;
}

void heap_collect(struct heap *heap, bool stopped)
{
	struct pool *pool;

	while ((pool = heap->wait_first) != NULL) {
		if (pool_is_empty(pool) && !stopped && !heap->family->provider->reached(pool->goal))
			return;
		pop_waiting(heap);
		if (pool_is_empty(pool))
			release(heap, pool);
	}
}

/* Empty pools go to the end: the partial ones fill up first, and these can leave. */
static void settle_empty(struct heap *heap, struct pool *pool)
{
	if (!heap->deferred) {
		release(heap, pool);
		return;
	}
	if (pool->listed && heap->partial[pool->cls].last != pool) {
		list_remove(&heap->partial[pool->cls], pool);
		list_append(&heap->partial[pool->cls], pool);
	}
	wait_for_readers(heap, pool);
	heap_collect(heap, false);
}

void heap_settle_pool(struct heap *heap, struct pool *pool, uint32_t before)
{
	struct list *partial = partial_of(heap, pool);

	if (before == 0 && partial)
		list_append(partial, pool);
	if (pool_is_empty(pool))
		settle_empty(heap, pool);
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

static struct pool *claim_large(struct heap *heap, size_t size)
{
	size_t slices = (size + SLICE - 1) / SLICE;
	struct pool *pool;
	struct run run;

	heap_collect(heap, false);
	pool = reuse_waiting(heap, slices);
	if (pool) {
		pool->zeroed = false;
		pool->block_size = min_size(align_up(size, 4 * KIB), pool_span(pool));
		return pool;
	}
	if (!arena_claim(slices, &run))
		return NULL;
	pool = pool_carve(&run, heap, CLASS_LARGE, heap->tag, align_up(size, 4 * KIB));
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
	count_add(&heap->x_large_blocks, 1);
	count_add(&heap->x_large_bytes, pool->block_size);
	return block;
}

static bool lists_are_valid(const struct heap *heap)
{
	for (unsigned cls = 0; cls < CLASSES; cls++)
		for (const struct pool *pool = heap->partial[cls].first; pool; pool = pool->next)
			if (pool->cls != cls || !pool->listed || pool_free_count(pool) == 0)
				return false;
	return true;
}

/* x_out[c] == capacities - free, summed over the pools of class c */
bool heap_is_valid(const struct heap *heap)
{
	size_t out[CLASSES + 1] = { 0 };

	for (const struct pool *pool = heap->all.first; pool; pool = pool->all_next) {
		if (load_relaxed(&pool->x_heap) != heap || (pool->cls != CLASS_LARGE && !pool_is_valid(pool)))
			return false;
		out[pool->cls] += pool->capacity - pool_free_count(pool);
	}
	for (unsigned cls = 0; cls < CLASSES; cls++)
		if (out[cls] != load_relaxed(&heap->x_out[cls]))
			return false;
	return out[CLASS_LARGE] == load_relaxed(&heap->x_large_blocks) && lists_are_valid(heap);
}
