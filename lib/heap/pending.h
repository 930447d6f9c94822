/* SPDX-License-Identifier: MIT
 *
 * pending.h - how many pools wait for their owner in a heap's list x_pending, and over all heaps.
 *
 * The heap counts each pool that is pushed; PENDING_STEP of them at a time are added to the sum of
 * all heaps, so that threads which free to others do not write to the sum at each push.
 *
 * Invariant   arena_counters.x_pending == sum over all heaps of x_pendings / PENDING_STEP, times
 *             PENDING_STEP
 * Progress    wait-free.
 */
#ifndef ARN_PENDING_H
#define ARN_PENDING_H

#include "heap/types.h"

#define PENDING_STEP 8u
/* So many pools may wait for owners, over all heaps, before others look at them. */
#define PENDING_MANY 256u

/* n pools were pushed.  true: the sum of all heaps has grown. */
static inline bool pending_add(struct heap *heap, unsigned n)
{
	unsigned before = add_relaxed(&heap->x_pendings, n);
	unsigned steps = (before + n) / PENDING_STEP - before / PENDING_STEP;

	if (steps)
		add_relaxed(&arena_counters.x_pending, steps * PENDING_STEP);
	return steps != 0;
}

/* The list was taken.  Returns how many pools were in it. */
static inline unsigned pending_take(struct heap *heap)
{
	unsigned n = exchange_acquire(&heap->x_pendings, 0);

	if (n / PENDING_STEP)
		sub_relaxed(&arena_counters.x_pending, n / PENDING_STEP * PENDING_STEP);
	return n;
}

/* The owner has found so many pools in its lists.  What it usually finds is the most of late: each
 * sixteenth slow path forgets a sixteenth of that. */
static inline void pending_note(struct heap *heap, unsigned n)
{
	unsigned usual = load_relaxed(&heap->x_usual);

	if (n >= usual)
		usual = n;
	else if (load_relaxed(&heap->x_slow_paths) % 16 == 0)
		usual -= (usual + 15) / 16;
	if (usual != load_relaxed(&heap->x_usual))
		store_relaxed(&heap->x_usual, usual);
}

static inline void pending_forget(struct heap *heap)
{
	store_relaxed(&heap->x_usual, 0);
}

/* The bytes of all these pools.  They are all that may be free there, and mostly is. */
static inline size_t pending_bytes(void)
{
	return load_relaxed(&arena_counters.x_pending) * SLICE;
}

#endif
