/* SPDX-License-Identifier: MIT
 *
 * sweep.h - pages without a live block go back to the system, inside pools that are in use.
 *
 * A pool is cut into at most 64 granules, each of one or more pages of the system.  A pool that is
 * no larger than one page is not swept: that page goes with the pool.  `x_clean` has a bit for each
 * granule that has no pages.  `unswept` is what a sweep may find, in bytes: the blocks that have
 * returned to the pool since the last sweep, and the free blocks whose granules have got pages
 * since, less what was taken.
 *
 * The pools of a heap that have a granule's worth of unswept bytes are in a list, the oldest first.
 * When more than a share of the retention
 * limit (retain.h) is unswept, over all heaps, a heap that has more than its part of it sweeps its
 * oldest pools: these have been left alone the longest, so that most pools are swept once.  Credit
 * raises that share, because what a program takes again lies in pools, too.
 *
 * Owner       the user of the heap calls all of these, with two exceptions.  A granule belongs to
 *             whoever has all of its blocks, their bits being in no word any more
 *             (remote-sweep.c); an empty pool of no heap belongs to limbo.c.
 * Invariant   heap->x_unswept == sum of unswept over the heap's pools
 *             a granule that is clean has no block that was handed out since it became clean
 *             arena_counters.x_clean_bytes == bytes of clean granules, and tails of huge ones,
 *             summed over all pools
 * Progress    wait-free; at most SWEEP_STEP pools are swept in one slow path, a system call for
 *             each run of pages.
 */
#ifndef ARN_SWEEP_H
#define ARN_SWEEP_H

#include "arena/budget.h"
#include "heap/types.h"

#define SWEEP_STEP 32u

/* n blocks have returned to a class pool (any pool but a large one). */
void sweep_given(struct heap *heap, struct pool *pool, unsigned n);
/* Option LIMIT: how many of `want` blocks may be taken from this pool, if the pages that they touch
 * are counted? */
unsigned sweep_admitted_by_limit(const struct pool *pool, unsigned want);

static inline unsigned sweep_admitted(const struct pool *pool, unsigned want)
{
	return likely(!budget_is_tight()) ? want : sweep_admitted_by_limit(pool, want);
}

/* n blocks were taken from the pool; `low` and `high` are the lowest and the highest of them. */
void sweep_taken(struct heap *heap, struct pool *pool, unsigned n, const void *low,
                 const void *high);
/* No page of the pool is resident: it is new, or it has been purged as a whole. */
void sweep_mark_clean(struct pool *pool);
/* The one block of a large pool is handed out, so all its granules count as resident. */
void sweep_mark_resident(struct pool *pool);
/* The tail of a large pool has changed; before that it had `tail_before` bytes, a new pool 0. */
void sweep_note_tail(const struct pool *pool, size_t tail_before);
/* How many bytes of the pool may be resident. */
size_t sweep_resident(const struct pool *pool);
/* Give back all pages of a pool whose blocks are all free; the caller is the only thread that has
 * the pool.  If the system refuses, the pages are still there. */
void sweep_whole(struct pool *pool);
/* The same for n pools, SWEEP_STEP at most, together. */
void sweep_whole_all(struct pool **pools, unsigned n);
/* The pool leaves the heap: take it out of the list, and its bytes out of the sum. */
void sweep_forget(struct heap *heap, struct pool *pool);
/* Take the clean bytes of an empty pool out of the sum, because from now on the arena counts its
 * slices, as clean only if all of the pool is.  Returns whether it has pages. */
bool sweep_uncount(struct pool *pool);
/* Release an empty pool, which is in no list, to its arena; if it has no pages, its slices are
 * clean there. */
void sweep_release(struct pool *pool);

/* Called at the end of a slow path: sweep if more than the heap's part is unswept. */
void sweep_enforce(struct heap *heap);
/* Sweep all pools, also those with less than a granule of unswept bytes, and those that were begun
 * on slices with pages.  Returns the bytes that went back. */
size_t sweep_all(struct heap *heap);
/* Give back the pages of the pool that no block of `others` lies on.  All blocks but `others` are
 * free, in no word, and the caller's. */
void sweep_freed(struct pool *pool, const uint64_t *others);
/* Do the list, sums and bitmaps agree?  For option CHECKS and tests. */
bool sweep_is_valid(const struct heap *heap);

#endif
