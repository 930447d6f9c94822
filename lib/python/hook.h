/* SPDX-License-Identifier: MIT
 *
 * hook.h - the functions that Python calls for a domain, and the allocators below them, whose place
 * they have taken.
 *
 * The address of a block says to whom it belongs: what lies in no arena is freed and resized by the
 * allocator below.  So it does no harm that Python has allocated before the hooks were put in, and
 * that requests for the collector's objects are passed on to the allocator below.
 *
 * Callers     hook_install while no interpreter runs.  The other functions, and the hooks: any
 *             thread.
 */
#ifndef ARN_PYTHON_HOOK_H
#define ARN_PYTHON_HOOK_H

#include "python/cpython.h"

/* The allocators below. */
extern struct allocator hook_next[DOMAINS];

/* The hooks for this domain, MEM or OBJECT, in the interpreter that was found. */
const struct allocator *hook_of(enum domain domain);
/*
 * Put the hooks in.  To be called before Py_Initialize, since CPython's record of five words is not
 * written in one step.  The first request that an interpreter makes calls `begun`, once for each
 * domain.
 */
void hook_install(enum domain domain, void (*begun)(void));

enum hook_place {
	HOOK_GONE,    /* other functions are in place, and they do not call the hooks */
	HOOK_BELOW,   /* debug hooks or tracemalloc are in place, and call the hooks */
	HOOK_IN_PLACE /* CPython calls the hooks */
};
/* Where the hooks of this domain are now. */
enum hook_place hook_place(enum domain domain);

#endif
