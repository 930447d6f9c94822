/* SPDX-License-Identifier: MIT
 *
 * process.h - process start: options, fork handlers, statistics at exit.
 */
#ifndef ARN_PROCESS_H
#define ARN_PROCESS_H

#include "base/base.h"

/*
 * Initialize the process; only the first call does something.  A constructor of the library calls
 * it, and malloc does if it is called before that constructor, while there is one thread.
 */
void process_init(void);

/* Is option DISABLE set?  Then a Python that was not built on Arenite keeps its own allocator. */
bool process_is_disabled(void) PRIVATE(process_is_disabled);

/*
 * A Python that Arenite serves runs in this process.  The first such process claims a mark in the
 * environment, which its children inherit, so that a message for the whole tree of processes is
 * written once.  To be called while there is one thread.
 */
void process_has_python(void) PRIVATE(process_has_python);
/* Is this process the first one of its tree that called process_has_python?  Any thread. */
bool process_is_first_python(void) PRIVATE(process_is_first_python);

#endif
