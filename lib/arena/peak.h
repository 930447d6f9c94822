/* SPDX-License-Identifier: MIT
 *
 * peak.h - what is kept for reuse goes back before more is resident than ever was.
 *
 * The peak of a program is to be what it uses, and not what it has used and may use again.  So when
 * a claim makes more resident than ever before, twice as much goes back of the free slices that are
 * kept, and RETAIN_TRADE_LEAST at least; a sixteenth of the limit (retain.h) stays all the same. If
 * that does not make up for the claim, the heap gives up what it keeps for itself (heap/empty.h).
 * Below the peak nothing goes back here, because it would be wanted again.
 *
 * The process may have other memory beside Arenite's: the heap of the C library, or that of an
 * interpreter.  When the whole process has more resident than ever, what is kept is in the way,
 * too, although Arenite has had more before.  So while there is credit, which lets much be kept,
 * a slow path now and then asks the system for the peak of the process.
 *
 * A program that goes from one kind of memory to another all the time would pay for this each time:
 * what goes back has a budget (retain_may_trade).
 *
 * Synchronization   any thread
 * Progress          wait-free, but for the system calls of a purge
 */
#ifndef ARN_PEAK_H
#define ARN_PEAK_H

#include "arena/arena.h"

/* A run was claimed.  Returns by how much more is resident than ever was, in bytes, less what went
 * back for it. */
size_t peak_make_up(const struct run *run);
/* Has the process grown beyond its peak since the last look, while there was credit?  Returns what
 * is still to go back for it, in bytes.  At most one look in each millisecond asks the system. */
size_t peak_look(void);

#endif
