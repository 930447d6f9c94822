/* SPDX-License-Identifier: MIT
 *
 * surroundings.h - for `doctor`: what lies around the process and keeps Arenite from doing well: a
 * preload that is not there, and the limits of memory.
 */
#ifndef ARN_CLI_SURROUNDINGS_H
#define ARN_CLI_SURROUNDINGS_H

/* Print a line for each library of LD_PRELOAD that is named by a path and is not there. */
void surroundings_tell_preload(void);

/*
 * Print the limits of the control groups of this process, with the files that have them, and what
 * options LIMIT and SOFT_LIMIT make of them; the memory of the machine, if these are percentages
 * and no group has a limit; and LIMIT and SOFT_LIMIT if they are sizes.  To be called while there
 * is one thread.
 */
void surroundings_tell_limits(void);

#endif
