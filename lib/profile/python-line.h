/* SPDX-License-Identifier: MIT
 *
 * python-line.h - the line of an instruction, by the table of lines that each code object has
 * (Objects/locations.md of CPython).
 *
 * Owner       any thread.
 * Progress    wait-free: the table is gone through once, as far as `size` says.
 */
#ifndef ARN_PYTHON_LINE_H
#define ARN_PYTHON_LINE_H

#include "profile/python-offset.h"

/* A table of so many bytes, and the line from which it counts. */
struct python_lines {
	const char *table;
	size_t size;
	int first_line;
};

/* The line of the instruction of this number, in units of two bytes.  An instruction that is in no
 * line, or not in the table, has the first one. */
int python_line(python_read *read, const struct python_lines *lines, uint64_t instruction);

#endif
