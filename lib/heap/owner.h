/* SPDX-License-Identifier: MIT
 *
 * owner.h - the word that says who owns a heap.
 *
 * A thread that owns heaps has a number, which it draws when it gets its first one, and which no
 * other thread of the process ever has, before or after.  Thread pointers would not do: the stack
 * of a thread that has ended serves a new one, which would then be taken for the owner of whatever
 * the old one still owned.
 *
 * The number ends with the thread, or a little earlier, when its destructors hand over what it has;
 * after that no thread compares equal to it.  So a heap that nobody has abandoned stays with its
 * handle, and every free of its blocks goes the way of another thread's, until somebody uses that
 * handle again.
 *
 * Progress    wait-free.
 */
#ifndef ARN_OWNER_H
#define ARN_OWNER_H

#include "base/atomic.h"
#include "base/base.h"

/* What x_owner of a heap holds in the place of a thread's number. */
#define OWNER_NONE     ((uintptr_t)0) /* an orphan */
#define OWNER_STRANDED ((uintptr_t)1) /* left in an unknown state by a fork: never used again */
#define OWNER_DRAINING ((uintptr_t)2) /* somebody takes home what was freed to an orphan */
#define OWNER_ENDING                                                                               \
	((uintptr_t)3)               /* the same, for the last time: what is left then is stranded \
	                              */
#define OWNER_PASSED ((uintptr_t)4)  /* a handle has it, and no thread yet */
#define OWNER_NOBODY ((uintptr_t)5)  /* the number of a thread that owns nothing: in no heap */
#define OWNER_FIRST  ((uintptr_t)16) /* numbers of threads */

extern __thread uintptr_t owner_number PRIVATE(owner_number);

/* The calling thread's number, or OWNER_NOBODY. */
static inline uintptr_t owner_self(void)
{
	if (BUG(thread_pointers))
		return thread_id();
	return owner_number;
}

/* The calling thread's number; it has one from now on. */
uintptr_t owner_draw(void);
/* The calling thread owns nothing more: if it goes on, it does so under another number. */
void owner_forget(void);

#endif
