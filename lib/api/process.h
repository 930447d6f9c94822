/* SPDX-License-Identifier: MIT
 *
 * process.h - process start: options, fork handlers, statistics at exit.
 */
#ifndef ARN_PROCESS_H
#define ARN_PROCESS_H

#include "heap/sample.h"

/*
 * Initialize the process; only the first call does something.  A constructor of the library calls
 * it, and malloc does if it is called before that constructor, while there is one thread.  What is
 * said about the process (report.h) waits for the constructor in any case.
 */
void process_init(void);

/* Does option DOMAINS let Arenite serve the domain of this tag?  The option does not concern the
 * collector's tags, GC and GC_PRE: they are always served.  Any thread. */
bool process_serves(unsigned tag) PRIVATE(process_serves);

/*
 * libarenite-malloc is in this process and asks whether it is to serve the libc names: yes, unless
 * option DOMAINS or DISABLE says no; but if there is nothing else that could (must), they do not
 * count.  If so, MEM is served from now on, whatever DOMAINS says of mem, since the system's malloc
 * would be asked otherwise.  Called while there is one thread, perhaps before the constructors.
 */
bool process_serve_malloc(bool must) PRIVATE_NEEDED(process_serve_malloc);
/* Has that been called, with yes for an answer? */
bool process_has_malloc(void);

/* What is counted of all that is handed out in this process.  Initializes it.  Any thread. */
enum counting process_counts(void) PRIVATE(process_counts);

/* The level of option CHECKS. */
size_t process_checks(void) PRIVATE(process_checks);

/* Is option DISABLE set?  Then a Python that was not built on Arenite keeps its own allocator. */
bool process_is_disabled(void) PRIVATE(process_is_disabled);

/*
 * A Python that Arenite serves runs in this process.  The first such process claims a mark in the
 * environment, which its children inherit, so that a message for the whole tree of processes is
 * written once.  To be called while there is one thread.
 */
void process_has_python(void) PRIVATE(process_has_python);
/* Its collector's objects stay in its own heaps: the profile says so. */
void process_collector_is_apart(void) PRIVATE(process_collector_is_apart);
/* Is this process the first one of its tree that called process_has_python?  Any thread. */
bool process_is_first_python(void) PRIVATE(process_is_first_python);

#endif
