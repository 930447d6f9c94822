/* SPDX-License-Identifier: MIT
 *
 * guard.h - option CHECKS: find misuse before it does harm.
 *
 * With checks on the pool cache is off, so every free reaches the pool's bitmap, which knows
 * whether the block is live.  Level 2 also overwrites freed blocks, except for the words that
 * lock-free readers of objects may still look at.  Level 3 verifies Arenite's own records now and
 * then.
 *
 * All of these are called by the thread whose malloc or free it is.
 */
#ifndef ARN_GUARD_H
#define ARN_GUARD_H

#include "heap/types.h"

/* Abort unless `block` is the start of a live block of this pool.  pool is NULL when the address is
 * in no pool of Arenite. */
void guard_live(const struct pool *pool, const void *block, const void *caller);
/* Called before a block returns to its pool: at level 2, overwrite it. */
void guard_freed(const struct pool *pool, void *block);
/* Abort if the heap of this handle, which the caller is about to use, belongs to another thread
 * that has not ended. */
void guard_owner(const arn_heap *handle);
/* Called by the owner after its slow paths: at level 3, verify the heap at every 256th call. */
void guard_heap(const struct heap *heap);

#endif
