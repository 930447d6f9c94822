/* SPDX-License-Identifier: MIT
 *
 * cell-record.h - what is known of each cell, for cell.c, which makes and frees blocks, and
 * cell-look.c, which only reads.  cell.h says who may do that when.
 */
#ifndef ARN_CELL_RECORD_H
#define ARN_CELL_RECORD_H

#include "base/base.h"
#include "heap/cell-wait.h"
#include "heap/cell.h"
#include "os/os.h"

struct cell {
	alignas(CACHE_LINE) STACK_NODE empty;
	_Atomic unsigned x_state; /* C1 */
	uint8_t tag, row;
	bool deferred;       /* readers may look at the block after it was freed */
	_Atomic bool x_left; /* the state that has made the block has ended */
	struct cell_wait wait;
	struct cells *cells;
	uint64_t caller;
	arn_family *family;
	char *block;
	size_t size;
	struct cell_event made, freed;
};

struct cells {
	struct arena *arena;
	_Atomic unsigned x_begun; /* cells that were ever used; may be more than there are */
	struct cell cell[CELLS];
};

extern hidden _Atomic(struct cells *) x_cells[CELL_ARENAS]; /* C3 */

static inline unsigned cell_slice(unsigned cell)
{
	return ARENA_HEAD + 1 + 2 * cell;
}

static inline unsigned cell_first_slice(const struct cell *cell)
{
	return cell_slice((unsigned)(cell - cell->cells->cell));
}

/* Where the cell has its guard, and its block ends, or a few bytes before that. */
static inline char *cell_end(const struct cell *cell)
{
	return (char *)cell->cells->arena + (cell_first_slice(cell) + 1) * SLICE;
}

/* The beginning of the page that the address lies on. */
static inline char *cell_page(const char *block)
{
	return (char *)((uintptr_t)block & ~(os_page_size() - 1));
}

#endif
