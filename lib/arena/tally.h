/* SPDX-License-Identifier: MIT
 *
 * tally.h - sums over all threads.  Those that claims and releases change are added up in steps,
 * because all threads write to them, and decisions need them nearly right only.
 *
 * What a thread has not added yet is in its own part, and it adds that once it is a step or more.
 * A part stays when its thread has ended, and serves the next thread that has the record of which
 * it is a member (reclaim-reader.h).  A thread always sees the sum with what it has not added.
 *
 *     sum                               its bound
 *     x_claimed, x_clean_bytes          what is claimed
 *     x_retained, x_waiting, x_limbo    half of the retention limit (retain.h), taken from what is
 *                                       claimed
 *
 * What is missing in a sum is at most 1/16 of its bound while there are up to TALLY_PARTS threads.
 * Of more threads each may put off less than the ones before them, so that it is less than 1/6 with
 * 256 threads, and 1/4 with 1000.  With one thread, tally_read is exact.  With option LIMIT as a
 * size, which counts each slice, and while memory is short (budget.h), nothing is put off.
 *
 * All of these may be called by any thread.
 * Progress    wait-free; tally_new_part lock-free.
 */
#ifndef ARN_TALLY_H
#define ARN_TALLY_H

#include "base/atomic.h"
#include "base/base.h"

/* Bytes, and in x_purges calls of purge. */
extern struct arena_counters {
	/* Line 0: what claims and releases look at.  The first TALLIES are added up in steps. */
	alignas(CACHE_LINE) _Atomic size_t x_claimed;
	/* claimed, but without pages: never touched, or purged (sweep.h) */
	_Atomic size_t x_clean_bytes;
	_Atomic size_t x_retained; /* free slices that may have pages */
	_Atomic size_t x_waiting;  /* resident, in empty pools that wait for readers (limbo.h) */
	_Atomic size_t x_limbo;    /* the rest of those pools, which has no pages */
	_Atomic size_t x_peak;     /* the most that arena_resident ever was, less 1/256 at most */
	_Atomic size_t x_unswept;  /* free bytes in pools in use that may be resident (sweep.h) */
	_Atomic size_t x_granted;  /* claimed, for the stocks of heaps (heap/stock.h) */
	/* Line 1: beside a system call; and of threads that free what others have made. */
	alignas(CACHE_LINE) _Atomic size_t x_mapped;
	_Atomic size_t x_purges, x_purged;
	_Atomic size_t x_pending; /* pools with blocks that others have freed (pending.h) */
} arena_counters;

#define TALLIES     5u
#define TALLY_PARTS 64u

/* What a thread has not added to the first sums yet. */
struct tally_part {
	alignas(CACHE_LINE) _Atomic size_t x_pending[TALLIES];
	struct tally_part *next; /* all parts; T2 */
};

extern __thread struct tally_part *tally_own; /* NULL: the thread adds at once */

/* From now on nothing is put off; or things are put off again. */
extern _Atomic bool x_tally_exact;

/* When more than this is the peak, the next slow path looks at the process (api/watch.h); bytes. */
extern _Atomic size_t x_tally_look hidden;

/* The next slow path of any thread is to look. */
static inline void tally_ask_look(void)
{
	store_relaxed(&x_tally_look, 0);
}

/* A part that is in no thread's hands yet. */
void tally_new_part(struct tally_part *part);

/* Add to one of the first sums, or take from it. */
void tally_add(_Atomic size_t *x_sum, size_t bytes);
void tally_sub(_Atomic size_t *x_sum, size_t bytes);
/* While some threads have not added and others have taken off, a sum may be less than 0. */
static inline size_t tally_positive(size_t sum)
{
	return sum <= PTRDIFF_MAX ? sum : 0;
}

/* The sum, nearly. */
static inline size_t tally_read(const _Atomic size_t *x_sum)
{
	size_t index = (size_t)(x_sum - &arena_counters.x_claimed);
	size_t pending = tally_own ? load_relaxed(&tally_own->x_pending[index]) : 0;

	return tally_positive(load_relaxed(x_sum) + pending);
}

/* The sum with what is in all parts: exact while no thread adds.  Wait-free in the number of
 * threads. */
size_t tally_read_all(const _Atomic size_t *x_sum);

#endif
