/* SPDX-License-Identifier: MIT
 *
 * retain.h - how much of what is free stays resident.
 *
 * The limit is the larger of option RETAIN and RETAIN_PERCENT of what is claimed and has pages.
 * Half of it is the base: what is kept of free slices and empty pools that wait for readers.  A
 * quarter is for free pages of pools that are in use (sweep.h).  The rest is left for pool caches,
 * which go by option CACHE alone.
 *
 * A program that gives up memory and takes it again pays for each page each time.  A *cycle* is one
 * build-and-drop of the program.  It begins when free memory exceeds the base, and ends the next
 * time it does so after at least RETAIN_CYCLE bytes were handed out that were not resident
 * (*refaults*).  What the refaults cost is compared with the time that the cycle took:
 *
 *     up to 5 %            no credit: memory goes back each time
 *     up to a quarter      credit from the second such cycle in a row on
 *     more                 credit at once: such a loop pays for one lap, and no more
 *
 * Only what had gone back counts as refaulted.  And what was not needed for RETAIN_PAUSE was not
 * worth keeping: after such a pause between a drop and the first refaults, what went back before
 * the pause does not count.
 *
 * Credit is kept beyond the base.  Windows of twice a cycle follow each other while there is some.
 * If what was kept has fallen by less than half of the credit in one of them, then the rest was not
 * taken again, and the credit shrinks to what it has fallen by.  A drop that gives back more than
 * twice the credit ends it at once: it is not what the cycles were about.  So a loop that has ended
 * has no credit left after four cycles, as soon as any thread comes by in a slow path.
 *
 * Everything here is an estimate for a decision; sums are relaxed.  Sizes are in bytes, times in
 * milliseconds.  All of these may be called by any thread.
 * Progress    wait-free.
 */
#ifndef ARN_RETAIN_H
#define ARN_RETAIN_H

#include "base/atomic.h"
#include "base/base.h"
#include "base/option.h"

/* To give back a page of 4 KiB and to get it again takes 2 us.  So this many bytes are refaulted in
 * a millisecond. */
#define RETAIN_FAULTED_PER_MS (500 * PAGE_MIN)
#define RETAIN_CYCLE          (8 * MIB)
#define RETAIN_PAUSE          100u /* ms */
/* The least and the greatest length of a window, ms. */
#define RETAIN_WINDOW_MIN 100u
#define RETAIN_WINDOW_MAX 10000u

/* The part of the limit that is for free pages of pools in use: a quarter. */
#define RETAIN_PAGES_PART 4u

/* The limit, in bytes, without credit. */
size_t retain_limit(void);
/* What is kept of free slices and empty pools without credit, in bytes. */
size_t retain_base(void);
/* What may be kept of free slices and empty pools, with credit. */
size_t retain_for_slices(void);
/* What may be kept of free pages in pools that are in use, with credit. */
size_t retain_for_pages(void);
/* The least that retain_for_pages can be, whatever is in use: less to compute. */
static inline size_t retain_for_pages_least(void)
{
	return option(OPTION_RETAIN) / RETAIN_PAGES_PART;
}

/* Memory that is not resident was handed out.  It counts only below the peak of what was in use: a
 * program at its peak needs new pages anyway. */
void retain_note_fault(size_t bytes);
/* The same for pages that were purged from a pool in use: they always count. */
void retain_note_refault(size_t bytes);
/* More than the base is free: this may be the end of a cycle, or the begin of one. */
void retain_note_drop(void);
extern _Atomic size_t x_retain_credit; /* bytes */

static inline bool retain_has_credit(void)
{
	return load_relaxed(&x_retain_credit) != 0;
}

/* With `more` bytes beside what is kept of free slices and empty pools: is that more than may be
 * kept? */
bool retain_is_exceeded(size_t more);
/* Called now and then while there is credit.  kept: all that is free and resident, with the free
 * pages of pools.  true: less may be kept from now on than before. */
bool retain_expire_credit(size_t kept);
/* Forget credit and cycles, as at the start of the process. */
void retain_forget(void);

#endif
