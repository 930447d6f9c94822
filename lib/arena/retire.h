/* SPDX-License-Identifier: MIT
 *
 * retire.h - arenas without pools leave the process.
 *
 * States      found -> claimed whole, purged, hidden: retired -> its readers are done -> unmapped
 *             It is hidden in the table and by its addresses, so that threads which come later do
 *             not find it.  Retired arenas are in a list that any thread may add to.  One grace
 *             period serves for all of a batch, which is the list as it was when the grace period
 *             began.
 *
 * Synchronization      arena  poll  all
 *     arena             X      X     X      X  the caller is in a section of reclaim.h
 *     poll, all         O      -     -      O  the caller is outside of it.  One thread at a time
 *                                              has the batch: others leave it alone
 * Ordering    L1  x_retired: push (release) -> taking the batch (acquire): the arena's head.
 *             L2  x_taken: end (release) -> begin (acquire): the batch and its grace period.
 * Progress    arena lock-free; poll wait-free in the number of threads, at most RETIRE_STEP arenas
 *             are unmapped.  Nobody waits: a thread stopped in a section, or while it has the
 *             batch, keeps the address space and the heads of retired arenas, nothing else; and no
 *             more of them than there ever were at once, because what waits outside of the batch is
 *             taken back before anything is mapped.
 */
#ifndef ARN_RETIRE_H
#define ARN_RETIRE_H

#include "arena/arena.h"

#define RETIRE_STEP 2u
/* A shared arena with more dirty slices than this, in bytes, is not retired at once. */
#define RETIRE_DIRTY (2 * MIB)

/* Called when an arena has just become free, or when pages of a free one have gone back: retire it,
 * unless it is one of the few that are kept, or has so many pages that it would take long.  In a
 * section of reclaim.h. */
void retire_if_spare(struct arena *arena);
/* Retire the arena if it is free; true: it was, and its pages have gone back if the system has
 * taken them.  In a section of reclaim.h. */
bool retire_arena(struct arena *arena);
/* The caller has claimed all of the arena, and these slices are not counted as claimed: it retires.
 * clean: it has no pages.  In a section of reclaim.h. */
void retire_claimed(struct arena *arena, bool clean);
/* Unmap a few retired arenas whose readers are done. */
void retire_poll(void);
/* Unmap as many retired arenas as can be unmapped now. */
void retire_all(void);
/* Take a retired arena with room for `slices` slices into use again.  It is in the table again,
 * clean, and claimed as a whole by the caller; earlier readers may still look at it.  NULL: there
 * is none. */
struct arena *retire_take_back(size_t slices);
/* Bytes of address space of the arenas that wait for their readers. */
size_t retire_waiting(void);
/* In the child of a fork: leave alone a batch that a thread of the parent was at work on. */
void retire_fork_child(void);

#endif
