/* SPDX-License-Identifier: MIT
 *
 * count.h - counts the atomic writes of the library, and tells which of them go to cache lines that
 * all threads share.
 *
 * The library is compiled once more with counted.h before each of its sources, and that tells
 * count_write of each store and each read-modify-write of lib/base/atomic.h.  The library itself
 * knows nothing of it.  Tests link t/support/libcountedcore.la.
 *
 * The place of a write says who else writes to its line:
 *
 *     own       the calling thread alone: a heap, a pool or a record of its own
 *     another's a heap, a pool or a record of another thread, or of none
 *     shared    all threads: a variable of the process, the bitmaps at the head of an arena, a
 *               family, or the first line of a chunk of records
 *
 * One thread at a time may write while a count runs.
 *
 * Some looks at others' heaps come once for each millisecond, so a slow machine, or an emulator,
 * would count more of them for the same operations.  So the clock that the library sees stands
 * still, and goes on to the present when a count starts.
 */
#ifndef ARN_T_COUNT_H
#define ARN_T_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum count_place { COUNT_OWN, COUNT_ANOTHERS, COUNT_SHARED, COUNT_PLACES };

/* Called before each write.  change: it is a read-modify-write.  `what` is the operation with its
 * operand, as in the source. */
void count_write(const void *address, bool change, const char *function, const char *what);

/* What the library sees in the place of clock_gettime. */
int count_clock(clockid_t clock, struct timespec *now);

/* Count from now on, from 0. */
void count_start(void);
void count_stop(void);

/* What there was between the two: read-modify-writes, and writes of both kinds, by place. */
extern unsigned long count_changes[COUNT_PLACES], count_writes[COUNT_PLACES];

/* A line that was written to, with the first access that did. */
struct count_line {
	const void *line;
	enum count_place place;
	unsigned long writes;
	const char *function, *what;
};

/* The lines of this count, count_lines of them; those of own places are left out. */
#define COUNT_LINES 1024u
extern struct count_line count_line[COUNT_LINES];
extern unsigned count_lines;

#endif
