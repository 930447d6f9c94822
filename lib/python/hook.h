/* SPDX-License-Identifier: MIT
 *
 * hook.h - the functions that Python calls for a domain, and what they took the place of.
 *
 * Blocks are freed and resized by whoever their address says they belong to, so it does not matter
 * that there were some before us, nor that requests for objects of the collector go on to the
 * allocator below.
 */
#ifndef ARN_PYTHON_HOOK_H
#define ARN_PYTHON_HOOK_H

#include "python/cpython.h"

extern struct allocator hook_next[DOMAINS];

/* Ours for this domain in this interpreter. */
const struct allocator *hook_of(enum domain domain);
/*
 * Put ours in.  Before Py_Initialize: the five words are not written at once.  The first request
 * that an interpreter makes calls `begun`, once for each domain.
 */
void hook_install(enum domain domain, void (*begun)(void));

enum hook_place {
	HOOK_GONE,  /* what is in place knows nothing of ours */
	HOOK_BELOW, /* something on top, that calls ours: debug hooks, tracemalloc */
	HOOK_IN_PLACE
};
enum hook_place hook_place(enum domain domain);

#endif
