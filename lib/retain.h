/* SPDX-License-Identifier: MIT
 *
 * retain.h - how much of what is free stays resident.
 *
 * The limit is the larger of option RETAIN and RETAIN_PERCENT of what is claimed.  Half of it is for free slices and
 * empty pools that wait for readers, a quarter for free pages of pools that are in use (sweep.h), a quarter for pool
 * caches (cache.c).
 *
 * A program that gives up memory and takes it again within RETAIN_WINDOW, and again, would pay for each page each time.
 * Its second such turn earns it credit: so much is then purged lazily, that is, the system may take the pages at any
 * time but need not be asked for them again.  Credit ends RETAIN_WINDOW after the last turn, at the next purge.
 *
 * Everything here is an estimate for a decision; sums are relaxed.
 * Progress    wait-free.
 */
#ifndef ARN_RETAIN_H
#define ARN_RETAIN_H

#include "base.h"

#define RETAIN_WINDOW 4000u /* ms */

size_t retain_limit(void);
/* Free slices and empty pools: keep this much, purge to half of it. */
size_t retain_for_slices(void);
/* Slices were claimed that are not resident, or may not be any more. */
void retain_claimed(size_t bytes);
/* Memory is about to be purged: is this a turn? */
void retain_purging(void);
/* Bytes that may be in the lazily purged state. */
size_t retain_credit(void);
/* No credit, no turns: as at the start. */
void retain_forget(void);
/* Is there credit for so much more? */
bool retain_expects(size_t bytes);

#endif
