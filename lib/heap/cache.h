/* SPDX-License-Identifier: MIT
 *
 * cache.h - the pool cache: arrays of ready blocks per size class, between malloc and the pools.
 *
 * A block in the cache counts as taken in its pool's bitmap and is not written to.  A bin starts
 * with none and moves to larger arrays (16, 128, for small blocks 2048) after a few refills or
 * flushes, within the budget of option CACHE; with checks on it has none, and every block goes
 * through the pool.
 *
 * For the owner of the heap.  Progress: a refill or flush is bounded, but for lock-free claims of
 * slices.
 */
#ifndef ARN_CACHE_H
#define ARN_CACHE_H

#include "heap/types.h"

void cache_init(struct heap *heap);
/* One block of this class, after putting more into the bin; NULL: no memory. */
void *cache_refill(struct heap *heap, unsigned cls);
/* Put a block into the full bin: make room first. */
void cache_overflow(struct heap *heap, struct pool *pool, void *block);
/* The arrays of a heap with an empty cache, for a new one. */
void cache_move(struct heap *to, struct heap *from);
/* Everything goes to the pools. */
void cache_flush(struct heap *heap);
/* And so does what other threads have freed; what is empty then, and need not wait, leaves. */
void cache_send_home(struct heap *heap);
size_t cache_count(const struct heap *heap, unsigned cls);

/* One block straight into its pool; panics on a block that is free already. */
void cache_give_pool(struct heap *heap, struct pool *pool, void *block);

#endif
