/* SPDX-License-Identifier: MIT
 *
 * empty.h - what becomes of the pools of a heap that fall empty.
 *
 *     falls empty --- no readers ------------------------------------> stock.h, or free slices
 *          |                                                               ^
 *          |  readers may look at its last block                           |  goal reached
 *          v                                                               |
 *     wait.h, with the heap, if it has a grant -------------- goal reached-+
 *          |                                                               |
 *          |  the heap is idle, or too much is kept                        |
 *          v                                                               |
 *     limbo.h, with the family ------------------------------ goal reached-+
 *
 * A pool that waits may serve again for the same size class at any time.
 *
 * Owner       the user of the heap calls all of these.
 * Progress    as wait.h, stock.h and limbo.h.
 */
#ifndef ARN_EMPTY_H
#define ARN_EMPTY_H

#include "heap/types.h"

/* A pool has fallen empty.  It has left the heap, and is queued nowhere (remote.h). */
void empty_add(struct heap *heap, struct pool *pool);
/* Take out a pool that may serve the heap as it is: see limbo_take.  NULL: there is none. */
struct pool *empty_take(struct heap *heap, unsigned cls, size_t slices);
/* Release some of the pools whose readers are done, of the heap and of the family.  After calls in
 * vain most calls do nothing. */
void empty_poll(struct heap *heap);
/* The same with all pools, whatever calls before have found. */
void empty_poll_all(struct heap *heap);
/* Slices without pages were claimed for the heap.  More is resident than ever by `growth` bytes:
 * what the heap keeps for itself goes, and what waits (limbo_make_room). */
void empty_make_room(struct heap *heap, size_t growth);

#endif
