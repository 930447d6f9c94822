/* SPDX-License-Identifier: MIT
 *
 * reclaim-reader.h - the list of readers, which both kinds of readers share: see reclaim.h.
 *
 * Records are never unmapped; those of threads that ended serve new ones.
 *
 * Ordering    E1  x_word, x_guests: exit (release) -> reclaim_grace_over (acquire): all that the
 *             reader did in its section.
 *             E2  enter: store x_word, then look for arenas (registry.h); grace: hide an arena,
 *                 full barrier, look at x_word.  Either the reader does not find the arena or the
 *                 grace period finds the reader.  Where the system makes no barrier in the reader,
 *                 all four accesses are seq_cst.
 *             E3  x_readers: push -> walk (acquire): next.  The push, and the load by which a grace
 *             period begins, are seq_cst for E2.
 */
#ifndef ARN_RECLAIM_READER_H
#define ARN_RECLAIM_READER_H

#include "base/atomic.h"
#include "base/base.h"
#include "arena/reclaim.h"
#include "arena/tally.h"
#include "base/stack.h"

struct reader {
	/* Where its thread is; 0: outside of all sections.  With liburcu it is the address of that
	 * library's word.  E1, E2 */
	alignas(CACHE_LINE) _Atomic uintptr_t x_word;
	/* A thread has the record.  Read in the child of a fork. */
	_Atomic bool x_used;
	struct reader *next; /* all records; E3 */
	STACK_NODE spare;
	struct tally_part part;
};

extern __thread struct reader *reader_own; /* NULL: the thread has none yet, or none any more */
extern __thread unsigned reader_guest;     /* sections of a thread that counts itself instead */

/* Give the calling thread a record, which is returned when the thread ends.  false: there is no
 * memory, or no key, or the thread has handed its record back already and runs its last
 * destructors.  Re-entrant: reader_own is set before pthread_setspecific, which may allocate and so
 * come here. */
bool reader_join(void);
/* Sections of a thread without a record: it counts itself. */
void reader_enter_as_guest(void);
void reader_exit_as_guest(void);
/* In the child of a fork: the other threads are gone, also those that were in a section. */
void reader_fork_child(void);

/* Each kind of reader has its own: is the thread of this record in a section?  And is the full
 * barrier made in the readers' threads by the side that asks? */
bool reader_is_inside(const struct reader *record);
bool reader_wants_barrier(void);

#endif
