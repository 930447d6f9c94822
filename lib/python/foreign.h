/* SPDX-License-Identifier: MIT
 *
 * foreign.h - counts what CPython's own allocator hands out, where the kernel's count is looked at
 * (api/shortage.h).
 *
 * The collector's objects stay with CPython in a free-threaded build.  Their memory is in the
 * kernel's count, so a program that makes nothing else has to be stopped at the limit, too.  In
 * that case the functions here come between the hooks and the allocator below.  They count the
 * bytes of each thread, and after FOREIGN_STEP of them the limits are looked at.  Without a limit
 * of that kind they are not put in, and cost nothing.
 */
#ifndef ARN_PYTHON_FOREIGN_H
#define ARN_PYTHON_FOREIGN_H

#include "python/cpython.h"

#define FOREIGN_STEP ((size_t)64 * 1024) /* bytes */

/* Put the functions in between, if what is allocated has to be counted.  `below` is the allocator
 * below, and is changed.  To be called where hook_install may be called. */
void foreign_count(struct allocator *below);

#endif
