/* SPDX-License-Identifier: MIT
 *
 * process.h - process start: options, fork handlers, statistics at exit.
 */
#ifndef ARN_PROCESS_H
#define ARN_PROCESS_H

#include "base/base.h"

/* By a constructor; earlier if malloc is called before it, while there is one thread. */
void process_init(void);

/* ARENITE_DISABLE: a Python that was not built for us is left alone. */
bool process_is_disabled(void) PRIVATE(process_is_disabled);

/* A Python that we serve runs in this process.  Of those that start each other the first one says
 * what is to be said once.  While there is one thread. */
void process_has_python(void) PRIVATE(process_has_python);
/* Is this the first one? */
bool process_is_first_python(void) PRIVATE(process_is_first_python);

#endif
