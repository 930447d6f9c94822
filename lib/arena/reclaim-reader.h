/* SPDX-License-Identifier: MIT
 *
 * reclaim-reader.h - the list of readers, which both kinds of them share: see reclaim.h.
 *
 * Records are never unmapped; those of threads that ended serve new ones.
 *
 * Ordering    E1  x_word, x_guests: exit (release) -> grace_over (acquire): all that the reader did
 *             in its section.
 *             E2  enter: store x_word, then look for arenas (registry.h); grace: hide an arena,
 *                 full barrier, look at x_word.  Either the reader does not find the arena or the
 *                 grace period finds the reader.  Where the system makes no barrier in the reader,
 *                 all four accesses are seq_cst.
 *             E3  x_readers: push (seq_cst, see E2) -> walk (acquire): next.
 */
#ifndef ARN_RECLAIM_READER_H
#define ARN_RECLAIM_READER_H

#include "base/atomic.h"
#include "base/base.h"
#include "arena/reclaim.h"
#include "base/stack.h"

struct reader {
	/* what tells where its thread is; 0: outside.  E1, E2 */
	alignas(CACHE_LINE) _Atomic uintptr_t x_word;
	/* a thread has it: read in the child of a fork */
	_Atomic bool x_used;
	struct reader *next; /* all records; E3 */
	STACK_NODE spare;
};

extern __thread struct reader *reader_own; /* NULL: none yet, or no more */
extern __thread unsigned reader_guest;     /* sections of a thread that counts itself instead */

/* A record for the calling thread, until it ends; false: there is none for it, or it has ended
 * already and its destructors go on.  What this calls may come here: then there is one already. */
bool reader_join(void);
void reader_enter_as_guest(void);
void reader_exit_as_guest(void);
/* The other threads are gone, wherever they were. */
void reader_fork_child(void);

/* Of each kind: is the thread of this record in a section?  And do its readers leave the barrier to
 * the other side? */
bool reader_is_inside(const struct reader *record);
bool reader_wants_barrier(void);

#endif
