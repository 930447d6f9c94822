/* SPDX-License-Identifier: MIT
 *
 * retire.h - arenas without pools leave the process.
 *
 * States      found -> claimed whole, purged, hidden: retired -> its readers are done -> unmapped
 *             Hidden is it in the table and by its addresses, so that whoever comes later does not
 *             find it.  Retired arenas stand in a list that any thread may add to; the grace period
 *             is one for the batch that was there when it began.
 *
 * Synchronization      arena  some  all     - free, X caller is in a section of reclaim.h, O
 *     outside of it
 *     arena             X      X     X
 *     some, all         O      -     -      one thread at a time has the batch: others leave it
 *                       alone
 * Ordering    L1  x_retired: push (release) -> taking the batch (acquire): the arena's head.
 *             L2  x_taken: end (release) -> begin (acquire): the batch and its grace period.
 * Progress    arena lock-free; some wait-free in the number of threads, at most RETIRE_STEP arenas
 *             are unmapped.  Nobody waits: a thread stopped in a section, or while it has the
 *             batch, keeps the address space and the heads of retired arenas, nothing else; and no
 *             more of them than there ever were at once, for what waits outside of the batch is
 *             taken back before anything is mapped.
 */
#ifndef ARN_RETIRE_H
#define ARN_RETIRE_H

#include "arena/arena.h"

#define RETIRE_STEP 2u

/* An arena that has just become free: keep it if it is one of a few, else retire it. */
void retire_if_spare(struct arena *arena);
/* The same, kept by nobody; true: it was free.  Its pages have gone back. */
bool retire_arena(struct arena *arena);
/* Unmap a few retired arenas, if their readers are done. */
void retire_poll(void);
/* Unmap as many as can be now. */
void retire_all(void);
/* A retired arena with room for so many slices, in the table again; NULL: none.  It is clean, and
 * claimed whole by the caller; readers of before may still look at it. */
struct arena *retire_take_back(size_t slices);
/* Address space of arenas that wait for readers. */
size_t retire_waiting(void);
void retire_fork_child(void);

#endif
