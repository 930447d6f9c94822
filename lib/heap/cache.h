/* SPDX-License-Identifier: MIT
 *
 * cache.h - the pool cache: arrays of ready blocks per size class, between malloc and the pools.
 *
 * A block in the cache counts as taken in its pool's bitmap, and it is not written to.  A bin has
 * no array at first; it moves to larger ones (16 blocks, then 128, for small blocks 2048) after it
 * has been refilled or flushed a few times, within the budget of option CACHE.  With option CHECKS
 * on, no bin has an array, and every block goes through its pool.
 *
 * Owner       the user of the heap (types.h) calls all of these; cache_count any thread.
 * Progress    a refill or flush is bounded, except that claims of slices are lock-free.
 */
#ifndef ARN_CACHE_H
#define ARN_CACHE_H

#include "heap/types.h"

/* Make all bins empty and leave them without an array. */
void cache_init(struct heap *heap);
/* Called when the bin of this class is empty: put more blocks into it, and return one that is at
 * least as large, at a multiple of the alignment, which the class has.  NULL: there is no
 * memory. */
void *cache_refill(struct heap *heap, unsigned cls, size_t alignment);
/* Called when the bin of this block's class is full: make room, and put the block there.  `pool` is
 * the descriptor of the slice in which the block begins. */
void cache_overflow(struct heap *heap, struct pool *pool, void *block);
/* Hand over the arrays of `from`, whose bins are empty, to the new heap `to`. */
void cache_move(struct heap *to, struct heap *from);
/* Return every block in the cache to its pool. */
void cache_flush(struct heap *heap);
/* The same after a drain of what other threads have freed.  Pools that are empty then leave the
 * heap; those that need not wait for readers go back to their arena. */
void cache_send_home(struct heap *heap);
/* How many blocks of this class the cache holds.  Any thread; the answer is wrong while the bin
 * moves to a larger array. */
size_t cache_count(const struct heap *heap, unsigned cls);

/* Return one block straight to its pool.  Panics if the block is free already. */
void cache_give_pool(struct heap *heap, struct pool *pool, void *block);

#endif
