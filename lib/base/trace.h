/* SPDX-License-Identifier: MIT
 *
 * trace.h - who has called: lines on stderr with the module and the offset in it, for addr2line(1)
 * or `arenite`'s reader of a report.
 *
 * Nothing is allocated, so that it works in the middle of malloc.  The unwinder is linked into the
 * library, since the first use of the C library's would load it.
 */
#ifndef ARN_TRACE_H
#define ARN_TRACE_H

/* Write a line for each caller of the calling function, the nearest first. */
void trace_write(void);

#endif
