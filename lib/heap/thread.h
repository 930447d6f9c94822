/* SPDX-License-Identifier: MIT
 *
 * thread.h - what a thread of the process has of us: heaps for the C domains, counters, gathered
 * remote frees.
 *
 * Made at the first call that needs it, handed back by a pthread key's destructor, reused by other
 * threads, never unmapped.  Counters stay in the record: sums over all records are exact.
 *
 * A thread whose record was handed back gets no other: destructors that run later may be the last
 * ones, and nobody would hand back what they had taken.  It works without one, and leaves nothing
 * behind: its mallocs borrow a heap each (domain.c), its frees are sent at once.  The same goes for
 * a thread for which there is no memory, or no key.  A thread that comes here for the first time
 * when the last of its destructors run keeps its record for ever: it cannot be told from one that
 * has just begun.
 *
 * Synchronization   the thread itself; statistics read the x_ fields.
 * Progress          lock-free.
 */
#ifndef ARN_THREAD_H
#define ARN_THREAD_H

#include "heap/types.h"

struct thread {
	arn_heap heap[ARN_TAG_OBJECT + 1]; /* of arn_mem_* and arn_obj_* */

	/* remote frees that were gathered and not sent: blocks of one word of one pool */
	struct pool *pool;
	unsigned word;
	uint64_t gathered;
	unsigned orphans_met; /* pools queued on heaps without an owner */

	_Atomic size_t x_raw_mallocs, x_raw_frees;
	/* wraps below zero in a thread that frees what others made: the sum is right */
	_Atomic size_t x_raw_bytes;
	/* freed to other threads' heaps */
	_Atomic size_t x_remote_blocks[ARN_TAGS], x_remote_bytes[ARN_TAGS];

	_Atomic uintptr_t x_number; /* option CHECKS: of owner.h, while the thread lives */

	STACK_NODE spare;
	struct thread *next; /* all records; T1 */
};

/* Stands in for a thread without a record.  It is shared, and does nothing but count. */
extern struct thread thread_none;
extern __thread struct thread *thread_current PRIVATE(thread_current);

/* A record for the calling thread, or thread_none. */
struct thread *thread_make(void);
struct thread *thread_first(void);
/* Once, before threads end: what a thread does at its end, while it still has its record.  It ends
 * with thread_give_back. */
void thread_init(void (*at_end)(struct thread *));
/* The record is for other threads from now on. */
void thread_give_back(struct thread *thread);
/* The other threads are gone. */
void thread_fork_child(void);

static inline struct thread *thread_peek(void)
{
	return thread_current;
}

static inline struct thread *thread_self(void)
{
	return likely(thread_current) ? thread_current : thread_make();
}

/* Add to a counter of the calling thread's record. */
static inline void thread_count(struct thread *thread, _Atomic size_t *counter, size_t n)
{
	if (likely(thread != &thread_none))
		count_add(counter, n);
	else
		add_relaxed(counter, n);
}

#endif
