/* SPDX-License-Identifier: MIT
 *
 * interp.h - the family of each interpreter's object heaps: pools do not move between interpreters,
 * since each has its own QSBR.
 *
 * Lifetime    made when a thread of the interpreter first asks, never freed.  An interpreter that
 *             comes to stand at the address of one that is gone takes its family over; see qsbr.c
 *             for the goals of the old one.
 * Progress    lock-free.
 * Ordering    Z1  x_interps: push (release) -> search (acquire): the record.
 */
#ifndef ARN_PYTHON_INTERP_H
#define ARN_PYTHON_INTERP_H

#include <arenite/arenite.h>

struct interp {
	const void *state;
	arn_family *family;
	struct interp *next;
};

/* NULL: no memory. */
struct interp *interp_of(const void *state);

#endif
