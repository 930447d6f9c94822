/* SPDX-License-Identifier: MIT
 *
 * stats.h - sums over heaps and threads; the functions are in arenite.h.
 *
 * No counter is shared: each is written by one thread, in slow paths, and read relaxed.
 *     live == x_out - cached - (freed remotely by all threads - drained by all heaps)      per tag
 */
#ifndef ARN_STATS_H
#define ARN_STATS_H

/* What option STATS asks for, at exit. */
void stats_at_exit(void);

#endif
