/* SPDX-License-Identifier: MIT
 *
 * wait.h - the last pools of a heap that fell empty and wait for the readers of its family.
 *
 * All heaps of a family share its limbo (limbo.h), so each pool that goes there and comes back is a
 * few writes to lines that all threads share.  The last ones stay with their heap instead, in a
 * list of its own: they serve the heap again for blocks of the same size, and when their goals are
 * reached, their slices serve its next pools (stock.h).
 *
 * The list is one word, x_wait, and leads from the pool that fell empty last to the older ones.
 * Only the user of the heap puts pools there.  Any thread may take the list, all of it at once, and
 * has its pools alone then: the user of the heap, to look at them, and puts back what remains; any
 * other thread, to hand them over to the limbo of the family.
 *
 * Bound       WAIT_POOLS pools, all with pages, within the grant of the heap (stock.h): beyond that
 *             new pools go to the family at once.
 * Handed over whenever the stock is given back (stock.h).  An orphan keeps its list until then, for
 *             the thread that adopts it.
 * Invariant   heap->wait_goal is at most the goal of any pool in the list.
 *
 * Synchronization   hand_over: any thread, at any time.  All others: the user of the heap.
 * Ordering    W4  x_wait: push, put back (release) -> take the list (acquire): the descriptors.
 * Progress    wait-free, but for the stacks of limbo.h.  A thread that is stopped in here keeps the
 *             pools of one list.
 */
#ifndef ARN_WAIT_H
#define ARN_WAIT_H

#include "heap/types.h"

#define WAIT_POOLS 64u

/* The pool, which has a goal, waits with the heap; there are fewer than WAIT_POOLS. */
void wait_push(struct heap *heap, struct pool *pool);
/* Take out a pool that may serve the heap as it is, as limbo_take does.  NULL: there is none. */
struct pool *wait_take(struct heap *heap, unsigned cls, size_t slices);
/* Take all pools, the newest first.  Returns their number, 0 if another thread has just taken
 * them. */
unsigned wait_take_all(struct heap *heap, struct pool *pool[WAIT_POOLS]);
/* Put back the first n of them. */
void wait_put_back(struct heap *heap, struct pool *const *pool, unsigned n);
/* All pools of the list wait in the limbo of the family from now on.  Any thread. */
void wait_hand_over(struct heap *heap);

/* Does any pool wait with its heap?  Any thread; it may change at once. */
static inline bool wait_has_some(const struct heap *heap)
{
	return load_relaxed(&heap->x_wait) != NULL;
}

/* The bytes of these pools, nearly, if the caller is not the user of the heap. */
static inline size_t wait_bytes(const struct heap *heap)
{
	return wait_has_some(heap) ? load_relaxed(&heap->x_wait_bytes) : 0;
}

/* For the user of the heap. */
static inline bool wait_is_full(const struct heap *heap)
{
	return wait_has_some(heap) && heap->wait_pools == WAIT_POOLS;
}

#endif
