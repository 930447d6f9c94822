/* SPDX-License-Identifier: MIT
 *
 * reclaim.h - existence: an arena that a reader has found stays mapped until the reader is done.
 *
 * Readers are the claim of slices (arena.c), the release of the last of them, the remote free after
 * its block is given up (remote.c), whoever asks about an address of which he holds no block
 * (pool_look), and statistics.  The writer is retire.c.
 *
 * reclaim_enter/exit   wait-free, nest, hold a few loads and stores, never user code.  The first
 *                      entry of a thread takes a record: lock-free.  A thread for which there is
 *                      none is a guest: it is counted.
 * reclaim_grace_*      nobody waits: a grace period is begun, and asked now and then whether it is
 *                      over.  Who asks owns the record.  Never inside a section.
 * Two kinds of readers, and one list of them (reclaim-reader.h): reclaim-own.c, ours, and
 * reclaim-urcu.c, those of liburcu's bp flavour (configure --with-liburcu), whose registration
 * takes a mutex of that library.
 */
#ifndef ARN_RECLAIM_H
#define ARN_RECLAIM_H

#include <stdbool.h>

void reclaim_enter(void);
void reclaim_exit(void);

/* A grace period: every reader of the time when it began has to be seen outside a section once. */
struct reclaim_grace {
	struct reader *next; /* not seen outside yet: this one and those after it */
	bool begun;
};

/* All that readers can find from now on is what the caller has left in place.  Not begun: the
 * system said no. */
void reclaim_grace_begin(struct reclaim_grace *grace);
/* Does no reader of then run any more?  Wait-free in the number of threads. */
bool reclaim_grace_over(struct reclaim_grace *grace);

void reclaim_fork_prepare(void);
void reclaim_fork_parent(void);
void reclaim_fork_child(void);

#endif
