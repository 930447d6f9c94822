/* SPDX-License-Identifier: MIT
 *
 * purge.h - the pages of free slices go back to the operating system.
 *
 * Runs of free, resident slices are claimed like any others, purged together in one system call,
 * and released clean: no thread can allocate them meanwhile, and none waits for them.  A free
 * arena whose pages have gone back may leave the process (retire.h); a huge one always does.
 *
 * All of these may be called by any thread.
 * Progress    lock-free, a system call for PURGE_BATCH bytes or PURGE_RUNS runs.
 */
#ifndef ARN_PURGE_H
#define ARN_PURGE_H

#include "base/base.h"

#define PURGE_BATCH (2 * MIB)
#define PURGE_RUNS  64u

/* Purge until at most `keep` bytes of free slices are resident, or until the system refuses.
 * Returns the bytes that went back. */
size_t purge_to(size_t keep);
/* If more is kept than retain.h allows, purge down to somewhat less than that, but no more than
 * PURGE_BATCH bytes, or half of that beyond what has just fallen free.  Does nothing while the
 * system takes no pages. */
void purge_excess(size_t freed);

#endif
