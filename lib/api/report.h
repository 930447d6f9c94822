/* SPDX-License-Identifier: MIT
 *
 * stats.h - sums over heaps and threads, and what a process says of itself; the functions are in
 * arenite.h.
 *
 * No counter is shared: each is written by one thread, in slow paths, and read relaxed.
 *     live == out - cached - (freed remotely by all threads - drained by all heaps)      per tag
 */
#ifndef ARN_REPORT_H
#define ARN_REPORT_H

/* What option STATS asks for will be done at exit.  Once, while there is one thread. */
void report_init(void);

/* This process turns out to be one that uses Arenite: what it has to say, it says now, and once. */
void report_begin(void);

/* How many parts arn_stats_add has taken. */
unsigned report_parts(void);

/* Write the statistics as JSON to the file of this name, where %p is the process; a line on stderr
 * if that fails. */
void report_write_file(const char *name);

#endif
