/* SPDX-License-Identifier: MIT
 *
 * stats.h - sums over heaps and threads; the functions are in arenite.h.
 *
 * No counter is shared: each is written by one thread, in slow paths, and read relaxed.
 *     live == out - cached - (freed remotely by all threads - drained by all heaps)      per tag
 */
#ifndef ARN_STATS_H
#define ARN_STATS_H

/* In the environment: the process that writes the file of ARENITE_STATS=json:FILE where FILE has no %p */
#define STATS_OWNER "ARENITE_STATS_OWNER"

/* What option STATS asks for will be done at exit.  Once, while there is one thread. */
void stats_init(void);

#endif
