/* SPDX-License-Identifier: MIT
 *
 * interp.h - the family of each interpreter's object heaps.  Each interpreter has a family of its
 * own, because each has its own QSBR: a pool must not move from one interpreter to another.
 *
 * Lifetime    made when a thread of the interpreter asks for it first, and never freed.  If CPython
 *             makes an interpreter at the address of one that is gone, the new one takes the old
 *             one's family over; qsbr.c says what becomes of the goals of the old one.
 * Callers     any thread.
 * Progress    lock-free.
 * Ordering    Z1  of table.h: add (release) -> find (acquire): the record.
 */
#ifndef ARN_PYTHON_INTERP_H
#define ARN_PYTHON_INTERP_H

#include "base/table.h"

#include <arenite/arenite.h>

struct interp {
	struct table_node by_state; /* the key is the interpreter */
	arn_family *family;
};

/* The record of the interpreter at this address; NULL: there is no memory for it. */
struct interp *interp_of(const void *state);

#endif
