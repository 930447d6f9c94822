/* SPDX-License-Identifier: MIT
 *
 * mark.h - what a process tells those that it starts, by numbers in the environment.
 *
 * Read once at the start (mark_read), and kept apart from the environment, whose memory programs
 * overwrite.
 *
 * Synchronization: marks are set while there is one thread.
 */
#ifndef ARN_MARK_H
#define ARN_MARK_H

#include "base/base.h"

/* Which process writes the file of ARENITE_STATS=json:FILE without %p. */
#define STATS_OWNER "ARENITE_STATS_OWNER"
/* A number for the lines that option_complain has written. */
#define COMPLAINED "ARENITE_COMPLAINED"
/* Which process says that objects stay with CPython. */
#define FIRST_PYTHON "ARENITE_FIRST_PYTHON"
enum mark { MARK_STATS_OWNER, MARK_COMPLAINED, MARK_FIRST_PYTHON, MARKS };

/* What was found at the start, or set since; 0: nothing. */
size_t mark_get(enum mark mark);
void mark_set(enum mark mark, size_t number);

/* What the mark stands for is this process's to do, unless one that started it has claimed it. */
void mark_claim(enum mark mark);
/* Has this process claimed it, or nobody? */
bool mark_is_ours(enum mark mark);

/* Takes an entry NAME=VALUE of the environment; false: it is no mark. */
bool mark_read(const char *entry);

#endif
