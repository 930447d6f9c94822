/* SPDX-License-Identifier: MIT
 *
 * served.h - what is served, as a part of the statistics and for arn_python_state.
 */
#ifndef ARN_PYTHON_SERVED_H
#define ARN_PYTHON_SERVED_H

#include "python/cpython.h"

/* From now on the statistics have a line about Python.  Once. */
void served_init(void);
/* This domain is not hooked; why: a constant, or NULL. */
void served_left(enum domain domain, const char *why);
void served_hooked(enum domain domain);

#endif
