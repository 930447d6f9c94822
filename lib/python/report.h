/* SPDX-License-Identifier: MIT
 *
 * report.h - what is served, as a part of the statistics and for arn_python_state.
 */
#ifndef ARN_PYTHON_REPORT_H
#define ARN_PYTHON_REPORT_H

#include "python/cpython.h"

/* From now on the statistics have a line about Python.  Once. */
void report_init(void);
/* This domain is not hooked; why: a constant, or NULL. */
void report_left(enum domain domain, const char *why);
void report_hooked(enum domain domain);

#endif
