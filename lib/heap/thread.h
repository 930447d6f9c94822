/* SPDX-License-Identifier: MIT
 *
 * thread.h - the record that Arenite keeps for a thread: heaps for the C domains, counters, and
 * remote frees that are gathered.
 *
 * A record is made at the first call that needs it, handed back by the destructor of a pthread key,
 * reused by other threads, and never unmapped.  Counters stay in the record, so sums over all
 * records are exact.
 *
 * A thread that has handed its record back gets no other: the destructors that run later may be the
 * last ones, and no call would follow to hand back what they had taken.  Such a thread works
 * without a record, and leaves nothing behind: its mallocs borrow a heap each (domain.c), its frees
 * are sent at once.  So are the first few frees of a thread that has allocated nothing (remote.c).
 * The same goes for a thread for which there is no memory, or no key.  A thread that calls for the
 * first time when the last of its destructors run keeps its record for ever: it cannot be told from
 * one that has just begun.
 *
 * Synchronization   a record is its thread's; statistics read the x_ fields.
 * Progress          lock-free.
 */
#ifndef ARN_THREAD_H
#define ARN_THREAD_H

#include "heap/types.h"

/* The heaps of a thread's record: those of arn_mem_* and arn_obj_*, by tag, and that of the libc
 * names. */
#define THREAD_NAMES ((unsigned)ARN_TAG_OBJECT + 1)
#define THREAD_HEAPS (THREAD_NAMES + 1)

struct thread {
	arn_heap heap[THREAD_HEAPS];

	/* Remote frees that were gathered and not sent: blocks of one word of one pool, and the row
	 * of the statistics in which they are counted.  `open` is that pool while remote_gather may
	 * add to them, or NULL. */
	struct pool *pool, *open;
	unsigned word, gathered_row;
	uint64_t gathered;

	_Atomic size_t x_raw_mallocs, x_raw_frees;
	/* bytes; wraps below zero in a thread that frees what others made: the sum is right */
	_Atomic size_t x_raw_bytes;
	/* freed to other threads' heaps */
	_Atomic size_t x_remote_blocks[ROWS], x_remote_bytes[ROWS];

	_Atomic uintptr_t x_number; /* option CHECKS: its owner number, while it lives */

	struct owner_range numbers; /* for the heaps of its threads: owner.h */
	struct reader *reader;      /* of its thread: reclaim_join */
	struct trail *trail;        /* option PROFILE: profile/trail.h */

	STACK_NODE spare;
	struct thread *next; /* all records; T1 */
};

/* Stands in for a thread without a record.  It is shared, and does nothing but count. */
extern struct thread thread_none;
extern __thread struct thread *thread_current PRIVATE(thread_current);
/* The heap of the libc names that the calling thread owns, or heap_none.  It is what the handle in
 * the thread's record points to, in one load: set where that handle gets a heap, and reset before
 * the heap is given up. */
extern __thread struct heap *thread_names PRIVATE(thread_names);

/* Make a record for the calling thread.  If it can have none: thread_none. */
struct thread *thread_make(void);
/* The newest record; `next` leads to all the others. */
struct thread *thread_first(void);
/* Called once, at the start of the process.  at_end is called by each thread at its end, while it
 * still has its record; its last step is thread_give_back. */
void thread_init(void (*at_end)(struct thread *));
/* The record of the calling thread becomes a spare one, which other threads may take. */
void thread_give_back(struct thread *thread);
/* In the child of a fork: the other threads are gone. */
void thread_fork_child(void);

/* The calling thread's record, or NULL if it has none. */
static inline struct thread *thread_peek(void)
{
	return thread_current;
}

/* The calling thread's record, made now unless it has one; or thread_none. */
static inline struct thread *thread_self(void)
{
	return likely(thread_current) ? thread_current : thread_make();
}

/* Is the handle one of those in this record? */
static inline bool thread_has(const struct thread *thread, const arn_heap *handle)
{
	return handle >= thread->heap && handle < thread->heap + THREAD_HEAPS;
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
