/* SPDX-License-Identifier: MIT
 *
 * process.h - process start: options, fork handlers, statistics at exit.
 */
#ifndef ARN_PROCESS_H
#define ARN_PROCESS_H

#include "base.h"

/* By a constructor; earlier if malloc is called before it, while there is one thread. */
void process_init(void);

/* ARENITE_DISABLE: a Python that was not built for us is left alone. */
bool process_is_disabled(void) PRIVATE(process_is_disabled);

#endif
