/* SPDX-License-Identifier: MIT
 *
 * reclaim.h - existence: an arena that a reader has found stays mapped until the reader is done.
 *
 * Readers are the claim of slices (arena.c), the remote free after its block is given up (remote.c) and
 * statistics.  The writer is arn_trim, the only place where an arena leaves and the only one that waits.
 *
 * reclaim_enter/exit   wait-free, nest, hold a few loads and stores, never user code.  The first entry of a
 *                      thread registers it with liburcu, under that library's mutex and with signals
 *                      blocked, once in the thread's life.
 * reclaim_wait         blocks until all readers of now have left; never inside a section, never in malloc
 *                      or free.
 * The implementation is liburcu's bp flavour (reclaim-urcu.c): the only one that needs no registration
 * call and survives fork.
 */
#ifndef ARN_RECLAIM_H
#define ARN_RECLAIM_H

void reclaim_enter(void);
void reclaim_exit(void);
void reclaim_wait(void);
void reclaim_fork_prepare(void);
void reclaim_fork_parent(void);
void reclaim_fork_child(void);

#endif
