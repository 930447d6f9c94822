/* SPDX-License-Identifier: MIT
 *
 * tend.h - what nobody looks after just now: who comes by in a slow path does.
 *
 * Free slices go back, where more of them is kept than may be: it was right when they fell free,
 * but less is in use since.  Empty pools that wait for readers leave, where they have much address
 * space; else it is those who make or empty pools that let them go.  And one of the family's heaps
 * that nobody uses is looked after:
 *
 *     without an owner        somebody frees to it, and nobody takes that home: drained (family.c)
 *     the caller's own        the same goes home, though the caller uses other heaps
 *     its owner waits         pages of what others have freed go back (remote.h)
 *
 * A heap is not looked after while its owner was in a slow path within the last half second
 * (heap_is_idle), nor for as long after it was abandoned, so that it is warm for the next owner.
 *
 * Synchronization   any user of the family, in malloc or free: so nobody walks it.
 * Ordering          F3  x_tend: store (release) -> load (acquire): the heap, which the other one
 *                       has from F1.
 * Progress          wait-free, but for releases: TEND_LOOK heaps are looked at, and one is looked
 *                   after.
 */
#ifndef ARN_TEND_H
#define ARN_TEND_H

#include "heap/types.h"

#define TEND_EVERY 4u /* slow paths */
#define TEND_LOOK  16u

void tend_family(arn_family *family);

static inline void tend(const struct heap *heap)
{
	if (unlikely(load_relaxed(&heap->x_slow_paths) % TEND_EVERY == 0))
		tend_family(heap->family);
}

#endif
