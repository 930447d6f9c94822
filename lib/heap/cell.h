/* SPDX-License-Identifier: MIT
 *
 * cell.h - option GUARD: places for single blocks, with no access to what lies around them.
 *
 * A cell is two slices of an arena that has nothing but cells.  The block ends where the first
 * slice ends, or less than its alignment (16 bytes, mostly) before that; nothing in the second
 * slice can be accessed.  Of the first slice only the pages that the block lies on can be, as long
 * as it lives.  So whoever reads or writes behind the block, or after it was freed, faults.  What a
 * fault cannot show, because it is on the same page, is filled with CELL_BYTE and compared when the
 * block is freed: the few bytes between the end of the block and the end of the slice, and those
 * between the beginning of the page and the block, 4 KiB at most.
 *
 *     | no access |  0xFB ...  | block      |0xFB|  no access, 64 KiB   | the next cell
 *                 page         16-aligned        slice
 *
 * To everybody else the block is the one block of a large pool, whose heap is cell_heap.  No thread
 * owns that, so the free of such a block takes the slow path by itself.
 *
 * Readers     Where a family has a provider, lock-free readers may look at an object after it was
 *             freed.  Then the block stays as it is until they are done (cell-wait.h), and is
 *             protected after that.  As for pools of objects, a user of the family has to ask.
 *
 * States      EMPTY -> LIVE (cell_malloc) -> WAITING (cell_free) -> FREED, in quarantine: at once,
 *             or, if readers may look at the block, by cell_poll -> EMPTY, when CELL_QUARANTINE
 *             cells came there after it
 * Owner       of an empty cell: the stack, or the thread that has taken it.  Of a live one: whoever
 *             holds the block; the thread that makes it WAITING owns the cell until it has put it
 *             into the quarantine, or into the list of those that wait for readers.  Who takes it
 *             out of there is the owner.
 * Invariant   cells that were ever used == empty ones in the stack + live + waiting for readers +
 *             in quarantine, but for those in a thread's hands.  A thread that is gone in the child
 *             of a fork has lost one, or those of one list.
 *
 * Synchronization    cell_malloc  cell_free  cell_poll  cell_look
 *     cell_malloc         -           -          -          -      -  may run at the same time
 *     cell_free           -           X          -          -      X  not of the same block: the
 *     cell_poll           -           -          -          -         first one wins, and the
 *                                                                     second one is told
 * Ordering    C1  x_state: LIVE (release) -> cell_look, cell_free (acquire): the cell's fields
 *             C2  x_quarantine: the cell, by an exchange on both sides
 *             C3  x_cells: a new arena (release) -> who looks for a cell (acquire)
 *             C4  of cell-wait.h
 *             S1  the stack of empty cells
 * Progress    lock-free, with two system calls for a block that is made, and two when it is freed.
 *             A thread that stands still keeps the cell that it works on.
 */
#ifndef ARN_CELL_H
#define ARN_CELL_H

#include "heap/types.h"

#define CELL_QUARANTINE (BUG(quarantine_in_two_steps) ? 2u : 64u)
#define CELL_BYTE       0xFB
/* The cells of an arena: behind the head is a slice without access, and then pairs. */
#define CELLS       ((ARENA_END - ARENA_HEAD - 1) / 2)
#define CELL_ARENAS 32u

/* Who has made or freed a block. */
struct cell_event {
	uint64_t python, native; /* the stacks, as places in the image of profile/record.h; or 0 */
	uint32_t thread;         /* as gettid says */
};

enum cell_state { CELL_EMPTY, CELL_LIVE, CELL_WAITING, CELL_FREED };

/* What a cell has, or had last. */
struct cell_view {
	enum cell_state state;
	const char *block; /* NULL: it was never used */
	size_t size;
	struct cell_event made, freed;
};

/* What cell_free has found.  The distance is in bytes: of a pointer from the beginning of the
 * block, or of the outermost byte that was written to from the end or the beginning of the block.
 */
enum cell_misuse {
	CELL_FINE,
	CELL_NOT_START,
	CELL_FREED_TWICE,
	CELL_WRITTEN_BEHIND,
	CELL_WRITTEN_BEFORE
};

/* From now on there are cells.  Once, while there is one thread. */
void cell_init(void);
/* Could a block of this size lie in a cell? */
static inline bool cell_fits(size_t size, size_t alignment)
{
	return size <= SLICE && alignment - 1 < SLICE && align_up(size, alignment) <= SLICE;
}
/* May a block of this caller, which is any number, have a cell?  When half of all cells are in use,
 * only if no other live block of that caller has one.  false is counted as a refusal. */
bool cell_admits(uint64_t caller);
/* A block of exactly `size` bytes, which cell_fits, for this heap's family and tag.  NULL: there is
 * no cell for it, and it has to be made in another way. */
void *cell_malloc(const struct heap *heap, size_t size, size_t alignment,
                  const struct cell_event *made, uint64_t caller);
/* Free the block.  If it is not CELL_FINE, nothing was done that matters, for the program has to
 * end. */
enum cell_misuse cell_free(const struct pool *pool, void *block, const struct cell_event *freed,
                           size_t *distance);
/* Protect the pages of freed blocks whose readers are done.  Nothing happens if the caller is no
 * user of the family. */
void cell_poll(arn_family *family);
/* The embedder's state that the family served has ended, and a new one begins: walks do not find
 * the blocks that it has left alive, and no reader of the ended state runs. */
void cell_begin_anew(arn_family *family);
/* Is this the beginning of a live block? */
bool cell_is_live(const struct pool *pool, const void *block);
/* The cell that this address lies in, or next to.  false: the address has nothing to do with cells.
 * From a signal handler, too. */
bool cell_look(const void *address, struct cell_view *view);

/* Blocks and bytes that are live, and that were ever made, of a row of the statistics. */
struct cell_count {
	size_t live_blocks, live_bytes, made_blocks, made_bytes;
};
void cell_count(unsigned row, struct cell_count *count);
/* Blocks that should have had a cell, and for which there was none. */
size_t cell_refusals(void);
/* Bytes that can be accessed in an arena of cells: of live blocks, of what is around them on their
 * pages, and of pages with freed blocks that wait for readers. */
struct cell_pages {
	size_t live, around, waiting;
};
void cell_pages(const struct arena *arena, struct cell_pages *pages);
/* Call the visitor for each live block of this family and tag, until it says false.  While the
 * users of the family are stopped. */
bool cell_visit(const arn_family *family, unsigned tag,
                bool (*visitor)(void *arg, void *block, size_t size), void *arg);

/* Does this pool stand for a block in a cell? */
static inline bool cell_is(const struct pool *pool)
{
	return load_relaxed(&pool->x_heap) == &cell_heap;
}

#endif
