/* SPDX-License-Identifier: MIT
 *
 * tend.h - what no thread looks after just now is looked after by one that comes by in a slow path.
 *
 * Free slices go back where more of them are kept than may be: that many was right when they fell
 * free, but less is in use since.  Empty pools that wait for readers are released where they have
 * much address space; otherwise that is left to the threads that make or empty pools.  And one idle
 * heap of the family is looked after:
 *
 *     without an owner        other threads free to it, and no owner drains it: family.c does
 *     the caller's own        the same, when the caller uses its other heaps only: it is drained
 *     its owner waits         pages of what others have freed go back (remote.h)
 *
 * A heap is not looked after while its owner was in a slow path within the last half second
 * (heap_is_idle), nor for as long after it was abandoned, so that it is warm for the next owner.
 *
 * The slices that an idle heap keeps for its next pools (stock.h) go to the arenas, and its pools
 * that wait for readers (wait.h) to the family's limbo.  Where more is kept than may be, this is
 * done for idle heaps of all families: a thread may have used one of them while more was in use,
 * and then another one for ever.
 *
 * Synchronization   any thread, in malloc or free.  Heaps are drained only of a family whose user
 *                   the caller is: so no thread walks it.
 * Progress          wait-free, but for releases: TEND_LOOK heaps are looked at, and one is looked
 *                   after.
 */
#ifndef ARN_TEND_H
#define ARN_TEND_H

#include "heap/types.h"

#define TEND_EVERY 4u /* slow paths */
#define TEND_LOOK  32u

/* Do the three, for the family of this heap, whose slow path ends: at most one idle heap is looked
 * after; the family's pools are released, and its heaps drained, only if the caller is a user of
 * it.  When nothing was due, no thread looks again until the clock has gone on. */
void tend_family(struct heap *self);

/* Called by the owner at the end of a slow path of this heap; acts once in TEND_EVERY calls. */
static inline void tend(struct heap *heap)
{
	if (unlikely(load_relaxed(&heap->x_slow_paths) % TEND_EVERY == 0))
		tend_family(heap);
}

#endif
