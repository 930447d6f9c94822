/* SPDX-License-Identifier: MIT
 *
 * sweep.h - pages without a live block go back to the system, inside pools that are in use.
 *
 * A pool is cut into at most 64 granules of whole pages of the system.  A pool that is no larger
 * than one page is not swept: that page goes with the pool.  `x_clean` has a bit for each granule
 * without pages.  `unswept` is what a sweep may find: the bytes of blocks that have come home since
 * the last one, and of free blocks whose granules got their pages since, less what was taken.  A
 * heap's pools with a granule's worth of unswept bytes, and those that were begun on slices with
 * pages, stand in a list, the oldest first; when more than a share of the retention limit
 * (retain.h) is unswept, over all heaps, a heap that has more than its part of it sweeps its oldest
 * pools: those that have been left alone the longest, so that most of them are swept once.  Not
 * while there is credit: what a program takes again lies in pools, too.
 *
 * Owner       the user of the heap, for all of it.  A granule of which somebody else has every
 *             block, because their bits are in no word any more, is theirs (remote-sweep.c); an
 *             empty pool of no heap is limbo.c's.
 * Invariant   heap->x_unswept == sum of unswept over the heap's pools
 *             a granule that is clean has no block that was handed out since it became clean
 *             arena_counters.x_clean_bytes == bytes of clean granules, and tails of huge ones,
 *             summed over all pools
 * Progress    wait-free; at most SWEEP_STEP pools are swept in one slow path, a system call for
 *             each run of pages.
 */
#ifndef ARN_SWEEP_H
#define ARN_SWEEP_H

#include "heap/types.h"
#include "base/option.h"

#define SWEEP_STEP 32u

/* n blocks have come home to a class pool. */
void sweep_given(struct heap *heap, struct pool *pool, unsigned n);
/* Option LIMIT: of `want` blocks, how many may be taken from this pool, with the pages that they
 * bring back? */
unsigned sweep_admitted_by_limit(const struct pool *pool, unsigned want);

static inline unsigned sweep_admitted(const struct pool *pool, unsigned want)
{
	return likely(option(OPTION_LIMIT) == 0) ? want : sweep_admitted_by_limit(pool, want);
}

/* n blocks were taken from it, the lowest and the highest of them. */
void sweep_taken(struct heap *heap, struct pool *pool, unsigned n, const void *low,
                 const void *high);
/* The heap has a new pool without a block that is out: if its slices have pages, these wait to be
 * swept like others. */
void sweep_note_begun(struct heap *heap, struct pool *pool);
/* Nothing of the pool is resident: it is new, or it has been purged whole. */
void sweep_mark_clean(struct pool *pool);
/* The one block of a large pool is handed out. */
void sweep_mark_resident(struct pool *pool);
/* The large pool's tail has changed: it was so long, 0 of a new pool. */
void sweep_note_tail(const struct pool *pool, size_t tail_before);
/* Bytes of it that may be resident. */
size_t sweep_resident(const struct pool *pool);
/* All pages of a pool without a block that is anybody's go back, the caller being the only one who
 * has it; false: they are still there. */
bool sweep_whole(struct pool *pool);
/* The pool leaves the heap. */
void sweep_forget(struct heap *heap, struct pool *pool);
/* An empty pool, in no list, goes back to its arena; what has no pages is clean there. */
void sweep_release(struct pool *pool);
/* At the end of a slow path. */
void sweep_enforce(struct heap *heap);
/* All that is unswept, in pools with less than a granule of it, too; bytes that went back. */
size_t sweep_all(struct heap *heap);
/* All blocks of the pool but `others` are the caller's, free and in no word: the pages that no
 * other block lies on go back.  A class pool that is one granule goes as a whole, when its owner
 * finds it empty. */
void sweep_freed(struct pool *pool, const uint64_t *others);
bool sweep_is_valid(const struct heap *heap);

#endif
