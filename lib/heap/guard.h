/* SPDX-License-Identifier: MIT
 *
 * guard.h - option CHECKS: find misuse before it does harm.
 *
 * With checks on the pool cache is off, so every free reaches the pool's bitmap, which knows
 * whether the block is live.  Level 2 also overwrites freed blocks, but for the words that
 * lock-free readers of objects may still look at.  Level 3 verifies our own records now and then.
 */
#ifndef ARN_GUARD_H
#define ARN_GUARD_H

#include "heap/types.h"

/* Abort unless block is the start of a live block of this pool (NULL: of none of ours). */
void guard_live(const struct pool *pool, const void *block, const void *caller);
/* Before a block goes to its pool. */
void guard_freed(const struct pool *pool, void *block);
/* Abort if the heap of this handle, which the caller is about to use, belongs to another thread
 * that has not ended. */
void guard_owner(const arn_heap *handle);
/* Now and then, after slow paths of the owner. */
void guard_heap(const struct heap *heap);

#endif
