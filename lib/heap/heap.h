/* SPDX-License-Identifier: MIT
 *
 * heap.h - the pools of a heap: its lists of partial pools, and how pools come and go.
 *
 * A pool is on these lists, at most once on each: the heap's list of all pools, as long as it
 * belongs to the heap; the list of partial pools of its class, while it has a free block; the list
 * of pools to sweep (sweep.h); and it may be queued by threads that free to it (remote.h).  An
 * empty pool leaves them all.
 *
 * Owner       the user of the heap calls all of these.
 * Progress    wait-free but for claims and releases of slices, and the stacks of limbo.h.
 */
#ifndef ARN_HEAP_H
#define ARN_HEAP_H

#include "heap/types.h"

/* Add a pool of this class to the heap and its lists.  NULL: there is no memory. */
struct pool *heap_add_pool(struct heap *heap, unsigned cls);
/* Blocks have returned to a pool that had `before` free ones: list the pool if it was full, and
 * release it if it is empty now. */
void heap_reclassify_pool(struct heap *heap, struct pool *pool, uint32_t before);
/* The pool has become full: take it out of the list of partial pools. */
void heap_unlist(struct heap *heap, struct pool *pool);

/* The steps of heap_add_pool one by one, for large blocks (large.h), whose pools differ in size.
 * This one takes a pool of the same shape out of the limbo; it is in no list of the heap yet.
 * NULL: there is none. */
struct pool *heap_take_waiting(struct heap *heap, unsigned cls, size_t slices);
/* Make a pool of free slices, in no list of the heap yet.  block_size, in bytes, counts for
 * CLASS_LARGE only.  NULL: there is no memory. */
struct pool *heap_carve_pool(struct heap *heap, unsigned cls, size_t slices, size_t block_size);
/* The same of slices that the caller has claimed. */
struct pool *heap_carve_run(struct heap *heap, unsigned cls, const struct run *run,
                            size_t block_size);
/* Put the pool into the heap's lists. */
void heap_attach_pool(struct heap *heap, struct pool *pool);

/* Do the lists, counters and pools agree?  For option CHECKS and tests. */
bool heap_is_valid(const struct heap *heap);

#endif
