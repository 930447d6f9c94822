/* SPDX-License-Identifier: MIT
 *
 * limbo.h - empty pools of a family that wait for its provider's readers, and belong to no heap any more.
 *
 * An empty pool waits in its heap as long as memory may be kept: it serves its class meanwhile.  Beyond that its
 * pages are purged and it comes here, where any user of the family lets it go: the heap's own thread may be idle.
 *
 * States      in the list -> in the batch, with one goal for all -> its slices are free
 * Synchronization      push  collect    - free, X the pool is the caller's, empty and in no list
 *     push              X       -
 *     collect           -       -       one thread at a time has the batch: others leave it alone
 * Ordering    W1  x_limbo: push (release) -> taking the batch (acquire): wait_next, the descriptor.
 *             W2  x_limbo_taken: end (release) -> begin (acquire): the batch and its goal.
 * Progress    push lock-free; collect wait-free, at most LIMBO_STEP pools.  A thread that is stopped with the batch
 *             keeps the address space of its pools, no pages.
 */
#ifndef ARN_LIMBO_H
#define ARN_LIMBO_H

#include "heap.h"

#define LIMBO_STEP 16u

void limbo_push(arn_family *family, struct pool *pool);
/* Let go what no reader can see any more; nothing if the caller is no user of the family.  stopped: nobody reads. */
void limbo_collect(arn_family *family, bool stopped);
void limbo_fork_child(arn_family *family);

#endif
