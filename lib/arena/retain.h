/* SPDX-License-Identifier: MIT
 *
 * retain.h - how much of what is free stays resident.
 *
 * The limit is the larger of option RETAIN and RETAIN_PERCENT of what is in use.  Half of it is for
 * free slices and empty pools that wait for readers, a quarter for free pages of pools that are in
 * use (sweep.h).  The rest is left for pool caches, which go by option CACHE alone.
 *
 * A program that gives up memory and takes it again pays for each page each time.  A cycle goes
 * from where memory begins to fall free to where it does so again, RETAIN_CYCLE bytes having been
 * taken meanwhile that were not there: faulted in.  What the faults cost is held against the time
 * that the cycle took:
 *
 *     up to 5 %            no credit: memory goes back each time
 *     up to a quarter      credit from the second such cycle in a row on
 *     more                 credit at once: such a loop pays for one lap, and no more
 *
 * Only what had gone back counts as faulted in.  And what nobody wanted for RETAIN_PAUSE was not
 * worth keeping: after such a pause between a drop and the first faults, what went back before it
 * does not count.
 *
 * Credit is kept beyond the base.  Windows of twice a cycle follow each other while there is some:
 * what was kept and fell by less than half of the credit in one of them was not taken again, and
 * the credit shrinks to what it fell by.  A drop that gives back more than twice the credit ends it
 * at once: it is not what the cycles were about.  So a loop that has ended has none left after four
 * cycles, as soon as any thread comes by a slow path.
 *
 * Everything here is an estimate for a decision; sums are relaxed.
 * Progress    wait-free.
 */
#ifndef ARN_RETAIN_H
#define ARN_RETAIN_H

#include "base/atomic.h"
#include "base/base.h"

/* To give back a page of 4 KiB and to get it again: 2 us.  So many bytes a millisecond. */
#define RETAIN_FAULTED_PER_MS (500 * PAGE_MIN)
#define RETAIN_CYCLE          (8 * MIB)
#define RETAIN_PAUSE          100u /* ms */
/* A window's length, ms. */
#define RETAIN_WINDOW_MIN 100u
#define RETAIN_WINDOW_MAX 10000u

size_t retain_limit(void);
/* Free slices and empty pools: what is kept without credit. */
size_t retain_base(void);
/* Free slices and empty pools. */
size_t retain_for_slices(void);
/* Free pages of pools in use. */
size_t retain_for_pages(void);
/* Memory that is not resident was handed out; the second: that had been given back from a pool in
 * use. */
void retain_note_fault(size_t bytes);
void retain_note_refault(size_t bytes);
/* More than the base is free: is this the end of a cycle? */
void retain_note_drop(void);
extern _Atomic size_t x_retain_credit; /* bytes */

static inline bool retain_has_credit(void)
{
	return load_relaxed(&x_retain_credit) != 0;
}

/* Free slices and empty pools that wait, resident, and so many bytes more: is that more than may be
 * kept? */
bool retain_is_exceeded(size_t more);
/* There is credit, and so much is kept, pages of pools and all.  true: less than before may be kept
 * from now on. */
bool retain_expire_credit(size_t kept);
/* No credit, no cycles: as at the start. */
void retain_forget(void);

#endif
