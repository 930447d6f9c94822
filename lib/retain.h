/* SPDX-License-Identifier: MIT
 *
 * retain.h - how much of what is free stays resident.
 *
 * The limit is the larger of option RETAIN and RETAIN_PERCENT of what is claimed.  Half of it is for free slices and
 * empty pools that wait for readers, a quarter for free pages of pools that are in use (sweep.h).  The rest is left for
 * pool caches, which go by option CACHE alone.
 *
 * A program that gives up memory and takes it again within RETAIN_WINDOW, and again, would pay for each page each time.
 * A turn is over when memory falls free beyond the base after a limit's worth was taken again.  From the second one on
 * the program has credit: what it took again and was not there is kept beyond the base from then on.  What stays kept
 * all through a window was not needed: credit shrinks by it.  There is none left RETAIN_WINDOW after the last turn, or
 * when far more goes back than the turns were about, as soon as anything falls free.
 *
 * Everything here is an estimate for a decision; sums are relaxed.
 * Progress    wait-free.
 */
#ifndef ARN_RETAIN_H
#define ARN_RETAIN_H

#include "base.h"

#define RETAIN_WINDOW 4000u /* ms */

size_t retain_limit(void);
/* Free slices and empty pools: what is kept without credit. */
size_t retain_base(void);
/* Free slices and empty pools. */
size_t retain_for_slices(void);
/* Free pages of pools in use. */
size_t retain_for_pages(void);
/* Slices were claimed, so many bytes of which are resident. */
void retain_claimed(size_t resident);
/* Memory that is not resident was handed out. */
void retain_missed(size_t bytes);
/* More than the base is free: is this the end of a turn? */
void retain_check(void);
bool retain_has_credit(void);
/* No credit, no turns: as at the start. */
void retain_forget(void);

#endif
