/* SPDX-License-Identifier: MIT
 *
 * stock.h - the runs of slices that a heap keeps when its pools fall empty, for its next pools.
 *
 * Slices are claimed and released in bitmaps that all threads share.  A program that takes and
 * drops buffers, or whose pools come and go, would write to these at each of its steps.  So the
 * last few runs that fell free stay with their heap: they are claimed, no pool has them, and they
 * have pages.  To take one is a step on a line of the heap's own.
 *
 * Runs that lie side by side become one, and a run that is longer than a pool needs is cut, so the
 * slices of many small pools take few words, and go to their arena in a few steps.
 *
 * Bound       A heap has a *grant*, in bytes (grant.h), and its stock, with its pools that wait for
 *             readers (wait.h), is no larger than that.  A heap without a grant, or whose program
 *             asks for nothing to be kept, releases its runs to the arenas.
 * Given back  A run that was not taken for STOCK_WINDOW slow paths of the owner; and all of them
 *             when the heap trims, when more is kept than may be, and when a thread finds the heap
 *             idle (tend.h).  An orphan keeps its stock until then, for the thread that adopts it.
 * Not used    under option LIMIT, which must be able to use all that is free; for huge blocks.
 *             Where pools wait for readers (wait.h), a run comes here once those are done.
 *
 * Synchronization      take  put  rest  give_back
 *     take, put, rest   O     O     O       -      O  the user of the heap
 *     give_back         -     -     -       -      -  any thread, at any time
 * Ordering    K1  x_stock: put (release) -> take, give_back (acquire): the run is in no use.
 * Progress    wait-free, but for releases of slices.
 */
#ifndef ARN_STOCK_H
#define ARN_STOCK_H

#include "heap/types.h"

#define STOCK_WINDOW 512u /* slow paths */

/* Take a run of `slices` slices; for a large block it may have a quarter more.  false: there is
 * none. */
bool stock_take(struct heap *heap, size_t slices, bool large, struct run *run);
/* The heap has to take slices or pools that others could have taken. */
void stock_miss(struct heap *heap);
/* A pool of the heap has fallen empty.  May the heap keep so many bytes more, of its runs and of
 * pools that wait? */
bool stock_admits(struct heap *heap, size_t bytes);
/* Keep the run of an empty pool, which is in no list and has pages.  false: it does not stay with
 * the heap, and is still the caller's. */
bool stock_put(struct heap *heap, struct pool *pool);
/* Keep the run of an empty pool, which is in no list and needs no more to wait, or release it to
 * its arena. */
void stock_release(struct heap *heap, struct pool *pool);
/* Called by the owner every STOCK_WINDOW slow paths: release what was not taken since the last
 * call. */
void stock_rest(struct heap *heap);
/* Release all runs, and hand over the pools that wait with the heap. */
void stock_give_back(struct heap *heap);
/* Bytes of the runs. */
size_t stock_bytes(const struct heap *heap);

/* Called at the end of a slow path of this heap. */
static inline void stock_tend(struct heap *heap)
{
	if (unlikely(load_relaxed(&heap->x_slow_paths) % STOCK_WINDOW == 0))
		stock_rest(heap);
}

#endif
