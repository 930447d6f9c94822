/* SPDX-License-Identifier: MIT
 *
 * page.h - the page of statistics for readers outside of the process: include/arenite/page.h has
 * its layout and how it is read.
 *
 * Owner       the process.  Its threads write one at a time: the one that gets x_writing by an
 *             exchange writes, and the others go on, so nobody waits.  A child of a fork has a page
 *             of its own as soon as fork returns.  A child that was made without fork handlers
 *             (_Fork, clone) and goes on to allocate would write to its parent's page.
 * Invariant   the values of generation g are at value[g % 2], and are not written to while the
 *             generation is g.
 *
 * Synchronization   page_begin, page_fork_child: while there is one thread.  page_write: any
 *                   thread.
 * Ordering    W2  x_writing: end (release) -> begin (exchange acquire): the values, which have one
 *                 writer at a time.
 *             W3  generation: the writer writes the values of g + 1, then g + 1 (release) -> the
 *                 reader, which has read g + 1 (acquire), reads values of g + 1.  The values of
 *                 g + 2, in the place of those of g, are written (release) after g + 1: a reader
 *                 that finds one of them (acquire) finds g + 1 or more when it looks again.
 * Progress    wait-free.  A thread that stands still in page_write leaves the page as it is.
 */
#ifndef ARN_API_PAGE_H
#define ARN_API_PAGE_H

#include "base/base.h"

#include <arenite/arenite.h>

/* Make the page, unless option PAGE is 0.  Without it, where the system refuses, nothing is lost
 * but the page. */
void page_begin(void);
/* Write these statistics to the page, if there is one. */
void page_write(const struct arn_stats *stats);
/* In the child of a fork: make another page, with the values of now. */
void page_fork_child(void);

#endif
