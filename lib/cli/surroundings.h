/* SPDX-License-Identifier: MIT
 *
 * surroundings.h - for `doctor`: what lies around the process and keeps Arenite from doing well: a
 * preload that is not there, and a limit of the control group.
 */
#ifndef ARN_CLI_SURROUNDINGS_H
#define ARN_CLI_SURROUNDINGS_H

/* Print a line for each library of LD_PRELOAD that is named by a path and is not there. */
void surroundings_tell_preload(void);

/*
 * If the control group of this process, or one above it, limits the memory, print the limit and
 * what option LIMIT could make of it.
 */
void surroundings_tell_cgroup(void);

#endif
