/* SPDX-License-Identifier: MIT
 *
 * purge.h - memory goes back to the operating system: the pages of free slices, and arenas without pools.
 *
 * A run of free, resident slices is claimed like any other, purged, and released clean: nobody can allocate it
 * meanwhile, and nobody waits for it.
 * Progress    purge_to: lock-free, a system call for each run.  purge_trim blocks for a grace period.
 */
#ifndef ARN_PURGE_H
#define ARN_PURGE_H

#include "base.h"

/* Until at most `keep` bytes of free slices are resident; bytes returned. */
size_t purge_to(size_t keep);
/* The same for all of them, and unmap arenas without pools. */
size_t purge_trim(void);

#endif
