/* SPDX-License-Identifier: MIT
 *
 * mark.h - what a process tells those that it starts, by numbers in the environment.
 *
 * Marks are read once at the start (mark_read), and kept apart from the environment, because
 * programs overwrite its memory.
 *
 * Synchronization: marks are set while there is one thread.  Any thread may read them later.
 */
#ifndef ARN_MARK_H
#define ARN_MARK_H

#include "base/base.h"

/* The process that writes the file of ARENITE_STATS=json:FILE without %p. */
#define STATS_OWNER "ARENITE_STATS_OWNER"
/* A number for the lines that option_complain has written. */
#define COMPLAINED "ARENITE_COMPLAINED"
/* The process that says that objects stay with CPython. */
#define FIRST_PYTHON "ARENITE_FIRST_PYTHON"
enum mark { MARK_STATS_OWNER, MARK_COMPLAINED, MARK_FIRST_PYTHON, MARKS };

/* The number of the mark, as it was found at the start or set since.  0: there is none. */
size_t mark_get(enum mark mark);
/* Set the mark, here and in the environment of the processes that this one starts. */
void mark_set(enum mark mark, size_t number);

/* Claim for this process what the mark is about, unless a process that started this one has claimed
 * it. */
void mark_claim(enum mark mark);
/* Has this process claimed it, or none at all? */
bool mark_is_ours(enum mark mark);

/* Take over an entry NAME=VALUE of the environment, if it is a mark.  false: it is none. */
bool mark_read(const char *entry);

#endif
