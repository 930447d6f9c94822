/* SPDX-License-Identifier: MIT
 *
 * home.h - the family of each interpreter's object heaps: pools do not move between interpreters, since each has
 * its own QSBR.
 *
 * Lifetime    made when a thread of the interpreter first asks, never freed.  An interpreter that comes to stand at
 *             the address of one that is gone takes its family over; see qsbr.c for the goals of the old one.
 * Progress    lock-free.
 * Ordering    Z1  x_homes: push (release) -> search (acquire): the record.
 */
#ifndef ARN_PYTHON_HOME_H
#define ARN_PYTHON_HOME_H

#include <arenite/arenite.h>

struct home {
	const void *interp;
	arn_family *family;
	struct home *next;
};

/* NULL: no memory. */
struct home *home_of(const void *interp);

#endif
