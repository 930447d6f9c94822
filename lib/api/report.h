/* SPDX-License-Identifier: MIT
 *
 * report.h - what a process says of itself: a line when it begins to use Arenite, and the
 * statistics as a table or as JSON.  The functions that print are in arenite.h, the numbers come
 * from stats.c and resident.c.
 *
 * A library may add a part to the statistics (arn_stats_add): libarenite-python does.
 *
 * Synchronization   report_init, report_begin and arn_stats_add: while there is one thread.  The
 *                   others: any thread.
 */
#ifndef ARN_REPORT_H
#define ARN_REPORT_H

/*
 * From now on, what option STATS asks for is written at the process's exit.  To be called once.  In
 * a process that has the library as a preload nothing else happens; in any other, report_begin is
 * called.
 */
void report_init(void);

/*
 * This process uses Arenite: write what is to be said at the beginning (complaints about options,
 * the line of option VERBOSE), and claim the file of the statistics.  Only the first call writes.
 */
void report_begin(void);

/* The number of parts that arn_stats_add has taken. */
unsigned report_parts(void);

/*
 * Write the statistics as JSON to the file of this name, in which %p stands for the number of the
 * process.  If that fails, one line on stderr says why.
 */
void report_write_file(const char *name);

#endif
