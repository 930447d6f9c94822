/* SPDX-License-Identifier: MIT
 *
 * reclaim.h - existence: an arena that a reader has found stays mapped until the reader is done.
 *
 * Readers are the claim of slices (supply.c), the release of the last of them, the remote free
 * after its block is given up (remote.c), questions about an address of which the caller holds no
 * block (pool_look), and statistics.  The writer is retire.c.
 *
 * reclaim_enter/exit   wait-free; sections nest, consist of a few loads and stores, and never call
 *                      user code.  The first entry of a thread takes a record, which is lock-free.
 *                      A thread for which there is none is a guest: it is counted.
 * reclaim_grace_*      never wait: a grace period is begun, and asked now and then whether it is
 *                      over.  The thread that asks owns the struct.  Never inside a section.
 *
 * There are two kinds of readers, and one list of them (reclaim-reader.h): Arenite's own in
 * reclaim-own.c, and those of liburcu's bp flavour in reclaim-urcu.c (configure --with-liburcu),
 * whose registration takes a mutex of that library.
 */
#ifndef ARN_RECLAIM_H
#define ARN_RECLAIM_H

#include <stdbool.h>

/* Any thread. */
void reclaim_enter(void);
void reclaim_exit(void);

/*
 * A thread's reader in the record that the thread has in any case (heap/thread.h), so that both are
 * taken and handed back with one step.  join: the calling thread has just taken that record; if
 * there is a reader in *place, the thread uses it, and else its own one, if it has any, moves
 * there.  part: the thread hands its record back, at its end, and what is in *place with it.  Its
 * sections after that are those of a guest.
 */
struct reader;
void reclaim_join(struct reader **place);
void reclaim_part(struct reader **place);

/* A grace period: every reader that was there when it began must be seen outside of a section
 * once. */
struct reclaim_grace {
	struct reader *next; /* this one and those after it were not seen outside yet */
	bool begun;
};

/* Begin a grace period.  The caller has hidden what is to be reclaimed, so from now on readers find
 * only the rest.  If the system refuses a barrier, `begun` stays false, and the caller begins again
 * later. */
void reclaim_grace_begin(struct reclaim_grace *grace);
/* Are all readers that were there at the begin done?  Wait-free in the number of threads. */
bool reclaim_grace_over(struct reclaim_grace *grace);

/* Around fork: before it, and after it in the parent and in the child. */
void reclaim_fork_prepare(void);
void reclaim_fork_parent(void);
void reclaim_fork_child(void);

#endif
