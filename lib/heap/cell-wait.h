/* SPDX-License-Identifier: MIT
 *
 * cell-wait.h - cells whose blocks were freed while readers may still look at them (cell.h).
 *
 * A free-threaded Python reads objects without a lock, so a freed one has to stay as it is until
 * the readers of its family have passed a goal, as an empty pool has to (limbo.h).  The cells that
 * wait are in one list of their family, the newest first.  Any thread that frees puts cells there;
 * a user of the family takes the list, all of it at once, keeps those whose readers are done, and
 * puts back the others.
 *
 * Bound       A poll asks for one goal, that at which the poll before it has ended.  The list is
 *             taken only when that is reached, and the first goal that is not reached ends it.  So
 *             a thread that is not quiescent for long does not make others walk the list again and
 *             again.
 *
 * Synchronization   all functions: any thread, at any time.
 * Ordering    C4  family->x_cells: push, put back (release) -> take the list (acquire): the node,
 *                 and the fields of its cell.
 * Progress    lock-free.  A thread that stands still in one of these functions may keep the list
 *             that it has taken: the cells in it are not used again until it goes on.
 */
#ifndef ARN_CELL_WAIT_H
#define ARN_CELL_WAIT_H

#include "heap/types.h"

struct cell_wait {
	struct cell_wait *next;
	uint64_t goal;
};

/* Let a cell wait, whose block of so many bytes was freed just now. */
void cell_wait_push(arn_family *family, struct cell_wait *cell, size_t bytes);
/* Take out cells whose readers are done, as a list.  stopped: the embedder's threads are stopped or
 * gone, so no reader runs, and all are taken.  NULL: there are none, or the caller is no user of
 * the family. */
struct cell_wait *cell_wait_take(arn_family *family, bool stopped);

/* Does any cell of the family wait?  It may change at once. */
static inline bool cell_wait_has_some(const arn_family *family)
{
	return load_relaxed(&family->x_cells) != NULL;
}

#endif
