/* SPDX-License-Identifier: MIT
 *
 * heap.h - the pools of a heap: its lists of partial pools, and how pools come and go.
 *
 * A pool is on these lists, each at most once: the heap's list of all pools, as long as it is the
 * heap's; the list of partial pools of its class, while it has a free block; the list of pools to
 * sweep (sweep.h); and it may be queued by those who free to it (remote.h).  An empty pool leaves
 * them all.
 *
 * Owner       the user of the heap, for all of it.
 * Progress    wait-free but for claims and releases of slices, and the stacks of limbo.h.
 */
#ifndef ARN_HEAP_H
#define ARN_HEAP_H

#include "heap/types.h"

/* A new pool of this class, listed; NULL: no memory. */
struct pool *heap_add_pool(struct heap *heap, unsigned cls);
/* Blocks have come back to a pool that had `before` free: list it, or let it go. */
void heap_reclassify_pool(struct heap *heap, struct pool *pool, uint32_t before);
/* A pool has become full: no longer partial. */
void heap_unlist(struct heap *heap, struct pool *pool);

/* The steps of heap_add_pool, for large blocks (large.h), whose pools differ in size.  One that
 * waits for readers and is of the same shape, in no list of the heap; NULL: there is none. */
struct pool *heap_take_waiting(struct heap *heap, unsigned cls, size_t slices);
/* One of free slices, in no list of the heap; NULL: no memory.  block_size is for large ones. */
struct pool *heap_carve_pool(struct heap *heap, unsigned cls, size_t slices, size_t block_size);
/* Into the heap's lists. */
void heap_attach_pool(struct heap *heap, struct pool *pool);

bool heap_is_valid(const struct heap *heap);

#endif
