/* SPDX-License-Identifier: MIT
 *
 * limbo.h - empty pools of a family that wait for its provider's readers, and belong to no heap any
 * more.
 *
 * A pool that falls empty leaves its heap at once, because the heap's thread may be idle from now
 * on, or end.  Until its goal is reached the pool may serve any heap of the family that has the
 * same tag, for blocks of the same size: objects then begin where they began, and a late reader
 * finds headers there.  When the goal is reached, any user of the family releases the pool.  Its
 * pages stay as long as memory may be kept (retain.h); beyond that they go back before the pool
 * waits, and then the pool is not taken again.
 *
 * The last ones of a heap that takes again what it gives up wait with that heap first (wait.h).
 *
 * There is a stack of waiting pools for each tag and size class; large pools of all sizes share
 * one.  Pools of tag MEM never wait, so the stacks of MEM hold the pools without pages.
 *
 * States      of no heap, in a stack -> in the hands of one thread -> in the stack again, in a
 *             heap, or free slices
 * Invariant   arena_counters.x_waiting == sweep_resident, summed over the pools in all stacks
 *
 * Synchronization      add  take  poll  purge
 *     add               X    -     -     -
 *     take, poll, purge -    -     -     -
 *     -  may run at the same time; a popped pool belongs to the thread that popped it
 *     X  not with the same pool: it is the caller's, empty, and in no list
 * Ordering    S1  of stack.h: push (release) -> pop (acquire): the descriptor, and what was stored
 *                 by the thread that made its last block free.
 *             S2  x_latest: store (release) -> load (acquire): the family.
 * Progress    lock-free, at most LIMBO_STEP pools of one stack in a poll.  Nobody waits.  A thread
 *             that is stopped in here keeps at most LIMBO_STEP pools, or LIMBO_BATCH in purge.
 */
#ifndef ARN_LIMBO_H
#define ARN_LIMBO_H

#include "heap/types.h"

#define LIMBO_STEP  16u
#define LIMBO_BATCH 32u
/* Address space without pages that may wait, over all families, until slow paths let it go beside
 * their own work. */
#define LIMBO_SPACE (16 * MIB)

/* Let the pool wait.  It has left a heap of this family, and is queued nowhere (remote.h). */
void limbo_add(arn_family *family, struct pool *pool);
/* The steps of limbo_add one by one, for pools that wait with their heap first (wait.h).  Give the
 * pool a goal; it stays the caller's. */
void limbo_begin(arn_family *family, struct pool *pool);
/* Let a pool that has a goal wait here. */
void limbo_put(arn_family *family, struct pool *pool);
/* A goal for what was freed just now, `bytes` of memory: it covers every reader that may have seen
 * it.  A thread that is no user of the family cannot ask the provider for one, and gets
 * LIMBO_NO_GOAL: a user has to ask again, and the time begins then. */
#define LIMBO_NO_GOAL UINT64_MAX
uint64_t limbo_goal(const arn_family *family, size_t bytes);
/* Is this goal reached?  For users of the family. */
bool limbo_is_over(const arn_family *family, uint64_t goal);
/* May the large pool serve a block of so many slices?  Any other pool may, if the class is right.
 */
bool limbo_fits(const struct pool *pool, size_t slices);
/* Take out a pool that may serve a heap of this tag as it is: one of this size class, or for
 * CLASS_LARGE one of at least `slices` slices and at most a quarter more.  NULL: there is none. */
struct pool *limbo_take(arn_family *family, unsigned tag, unsigned cls, size_t slices);
/* Release a few of the pools whose readers are done; true: some were.  Nothing happens if the
 * caller is no user of the family. */
bool limbo_poll(arn_family *family);
/* The same, of the pools without pages. */
bool limbo_poll_space(arn_family *family);
/* Slices without pages were claimed, though pools may wait that have some: release more of these.
 * More is resident than ever by `growth` bytes: give back as much of what still waits. */
void limbo_make_room(size_t growth);
/* The same with all stacks.  stopped: the embedder's threads are stopped or gone, so no reader
 * runs, and every pool is released. */
void limbo_poll_all(arn_family *family, bool stopped);
/* If more is kept than retain.h allows, give back the pages of some pools that wait.  Any
 * thread. */
void limbo_purge_excess(arn_family *family);
/* Does any pool wait in the limbo of the family?  It may change at once. */
static inline bool limbo_has_some(const arn_family *family)
{
	return load_relaxed(&family->x_waiting) != 0;
}
/* Give back the pages of all pools that wait.  Any thread. */
void limbo_purge(arn_family *family);

#endif
