/* SPDX-License-Identifier: MIT
 *
 * served.h - what Arenite serves of a Python, and why not more: for arn_python_state, and as a part
 * of the statistics.
 *
 * Synchronization   the three functions are called while no interpreter runs; what they set is read
 *                   by any thread.
 */
#ifndef ARN_PYTHON_SERVED_H
#define ARN_PYTHON_SERVED_H

#include "python/cpython.h"

/* From now on the statistics have a line about Python.  To be called once. */
void served_init(void);
/* This domain is left with CPython.  `why` is a constant text, or NULL. */
void served_left(enum domain domain, const char *why);
/* The hooks of this domain were put in. */
void served_hooked(enum domain domain);

#endif
