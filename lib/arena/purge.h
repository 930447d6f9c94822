/* SPDX-License-Identifier: MIT
 *
 * purge.h - the pages of free slices go back to the operating system.
 *
 * A run of free, resident slices is claimed like any other, purged, and released clean: no thread
 * can allocate it meanwhile, and none waits for it.
 *
 * All of these may be called by any thread.
 * Progress    lock-free, a system call for each run.
 */
#ifndef ARN_PURGE_H
#define ARN_PURGE_H

#include "base/base.h"

/* Purge until at most `keep` bytes of free slices are resident.  Returns the bytes that went
 * back. */
size_t purge_to(size_t keep);
/* If more is kept than retain.h allows, purge down to somewhat less than that. */
void purge_excess(void);
/* The same when no memory has fallen free but the limit has become smaller, because less is in use.
 * Does nothing while the system takes no pages. */
void purge_excess_late(void);

#endif
