/* SPDX-License-Identifier: MIT
 *
 * limbo.h - empty pools of a family that wait for its provider's readers, and belong to no heap any
 * more.
 *
 * A pool that falls empty leaves its heap at once, whose thread may be idle from now on, or end.
 * Until its goal is reached it may serve again any heap of the family that has the same tag, for
 * blocks of the same size: what a late reader may still look at stays where an object begins.  When
 * the goal is reached, any user of the family lets it go.  Its pages stay as long as memory may be
 * kept (retain.h); beyond that they go back before the pool waits, and then it is not taken again.
 *
 * There is a stack of waiting pools for each tag and size class; large pools of all sizes share
 * one.  Those of MEM, whose own pools never wait, have the pools without pages.
 *
 * States      of no heap, in a stack -> in the hands of one thread -> in the stack again, in a
 *             heap, or free slices
 * Invariant   arena_counters.x_waiting == sweep_resident, summed over the pools in all stacks
 *
 * Synchronization      add  take  poll  purge    - free, X the pool is the caller's, empty and in
 *     no list
 *     add               X    -     -     -
 *     take, poll, purge -    -     -     -       a pool that was popped is the caller's alone
 * Ordering    S1  of stack.h: push (release) -> pop (acquire): the descriptor, and who made its
 *                 last block free.
 * Progress    lock-free, at most LIMBO_STEP pools of one stack in a poll.  Nobody waits.  A thread
 *             that is stopped in here keeps at most LIMBO_STEP pools, or, in purge, those of one
 *             stack.
 */
#ifndef ARN_LIMBO_H
#define ARN_LIMBO_H

#include "heap/types.h"

#define LIMBO_STEP 16u
/* Address space without pages that may wait, over all families, until slow paths let it go beside
 * their own work. */
#define LIMBO_SPACE (16 * MIB)

/* The pool has left a heap of this family, and is queued nowhere. */
void limbo_add(arn_family *family, struct pool *pool);
/* A pool that may serve a heap of this tag as it is: of this size class, or a large one of at least
 * so many slices and not many more.  NULL: there is none. */
struct pool *limbo_take(arn_family *family, unsigned tag, unsigned cls, size_t slices);
/* Let go a few of those that no reader can see any more.  Nothing if the caller is no user of the
 * family. */
void limbo_poll(arn_family *family);
/* The same with all stacks; stopped: no reader runs, all may go. */
void limbo_poll_all(arn_family *family, bool stopped);
/* What waits gives its pages back; any thread. */
void limbo_purge(arn_family *family);

#endif
