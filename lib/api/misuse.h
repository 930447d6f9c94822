/* SPDX-License-Identifier: MIT
 *
 * misuse.h - the report about a block in a cell: what was done to it, by which thread, and who has
 * made and freed it.  A line on stderr says what it was, and the stacks follow.
 *
 * Nothing is allocated, no lock is taken, and what is written has bounds (base/trace.h,
 * profile/traceback.h).  What is known for certain is written first: the access comes last, because
 * its stack may be damaged.
 *
 * Owner       any thread, also in a handler of a signal.
 */
#ifndef ARN_MISUSE_H
#define ARN_MISUSE_H

#include "heap/cell.h"

enum misuse_access { MISUSE_ACCESS, MISUSE_READ, MISUSE_WRITE };

/* The calling thread has accessed this address, near which the cell is.  The stack of the access is
 * left to the caller. */
void misuse_at_access(const struct cell_view *view, const char *address, enum misuse_access access);
/* The line before the stack of the calling thread. */
void misuse_write_here(void);
/* cell_free has found this: write it, and end the program. */
_Noreturn void misuse_at_free(enum cell_misuse misuse, const void *block, size_t distance);
/* Somebody resizes what is no live block: write it, and end the program. */
_Noreturn void misuse_at_resize(const void *block);

#endif
