/* SPDX-License-Identifier: MIT
 *
 * purge.h - memory goes back to the operating system: the pages of free slices.
 *
 * A run of free, resident slices is claimed like any other, purged, and released clean: nobody can
 * allocate it meanwhile, and nobody waits for it.
 * Progress    lock-free, a system call for each run.
 */
#ifndef ARN_PURGE_H
#define ARN_PURGE_H

#include "base/base.h"

/* Until at most `keep` bytes of free slices are resident; bytes returned. */
size_t purge_to(size_t keep);
/* Until what retain.h allows is left, and some room below that. */
void purge_excess(void);
/* The same where nothing has fallen free, since less is in use; nothing while the system takes no
 * pages. */
void purge_excess_late(void);

#endif
