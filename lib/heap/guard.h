/* SPDX-License-Identifier: MIT
 *
 * guard.h - option CHECKS: find misuse before it does harm.
 *
 * With checks on the pool cache is off, so every free reaches the pool's bitmap, which knows
 * whether the block is live.  Level 2 also overwrites freed blocks, except for the words that
 * lock-free readers of objects may still look at, and looks whether that is still there when a
 * block of up to a slice is handed out again.  At level 3 each block is longer than it was asked
 * for, and what lies behind its end must be as it was when the block is freed or resized; Arenite's
 * own records are verified now and then.
 *
 * All of these are called by the thread whose malloc or free it is.
 */
#ifndef ARN_GUARD_H
#define ARN_GUARD_H

#include "base/option.h"
#include "heap/types.h"

/* Abort unless `block` is the start of a live block of this pool.  pool is NULL when the address is
 * in no pool of Arenite. */
void guard_live(const struct pool *pool, const void *block, const void *caller);
/* Called before a block returns to its pool: at level 2, overwrite it. */
void guard_freed(const struct pool *pool, void *block);
/* At level 3, what a block must have beside what was asked for, bytes. */
#define GUARD_ZONE 16u
/* What has to be asked for, to have `size` bytes.  More than PTRDIFF_MAX stays too much. */
static inline size_t guard_room(size_t size)
{
	return unlikely(option(OPTION_CHECKS) >= 3) && size <= PTRDIFF_MAX ? size + GUARD_ZONE
	                                                                   : size;
}
/* How many bytes this live block has, at level 3. */
size_t guard_size(const struct pool *pool, const void *block);

/* What the two below do at levels 2 and 3. */
cold void guard_check_made(void *block, size_t size, const void *caller);
cold void guard_mark_end(const struct pool *pool, void *block, size_t size);

/* A block of `size` bytes is handed out; NULL, and a block of the system's malloc, are left alone.
 * At level 2, abort if it was written to since it was freed; at level 3, mark its end. */
static inline void guard_made(void *block, size_t size, const void *caller)
{
	if (unlikely(option(OPTION_CHECKS) >= 2))
		guard_check_made(block, size, caller);
}

/* A live block of this pool has `size` bytes from now on: at level 3, mark its end. */
static inline void guard_resized(const struct pool *pool, void *block, size_t size)
{
	if (unlikely(option(OPTION_CHECKS) >= 3))
		guard_mark_end(pool, block, size);
}

/* Abort if the heap of this handle, which the caller is about to use, belongs to another thread
 * that has not ended. */
void guard_owner(const arn_heap *handle);
/* Called by the owner after its slow paths: at level 3, verify the heap at every 256th call. */
void guard_heap(const struct heap *heap);

#endif
