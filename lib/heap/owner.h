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
 * after that no thread compares equal to it.  So a heap that no thread has abandoned stays with its
 * handle, and every free of its blocks is a remote free, until a thread uses that handle again.
 *
 * Progress    wait-free.
 */
#ifndef ARN_OWNER_H
#define ARN_OWNER_H

#include "base/atomic.h"
#include "base/base.h"

/* The values of x_owner that are not the number of a thread. */
#define OWNER_NONE     ((uintptr_t)0)  /* an orphan */
#define OWNER_STRANDED ((uintptr_t)1)  /* never used again: its state ended, or a fork caught it */
#define OWNER_DRAINING ((uintptr_t)2)  /* a thread drains the orphan */
#define OWNER_ENDING   ((uintptr_t)3)  /* the same, for the last time: its state has ended */
#define OWNER_PASSED   ((uintptr_t)4)  /* a handle has it, but no thread has it yet */
#define OWNER_NOBODY   ((uintptr_t)5)  /* the number of a thread that owns nothing: in no heap */
#define OWNER_FIRST    ((uintptr_t)16) /* the least number of a thread */

extern __thread uintptr_t owner_number PRIVATE(owner_number);

/* The calling thread's number, or OWNER_NOBODY. */
static inline uintptr_t owner_self(void)
{
	if (BUG(thread_pointers))
		return thread_id();
	return owner_number;
}

/* Numbers that were drawn at once, and are not used yet.  They lie in the record of a thread, and
 * serve the threads that have it, one after the other. */
struct owner_range {
	uintptr_t next, end;
};

/* From now on the calling thread draws from this range; NULL: from none. */
void owner_use_range(struct owner_range *range);
/* The calling thread's number, which it draws now unless it has one. */
uintptr_t owner_draw(void);
/* The calling thread owns nothing any more.  If it takes a heap again, it does so under another
 * number. */
void owner_forget(void);

#endif
