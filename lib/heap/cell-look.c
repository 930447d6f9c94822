/* SPDX-License-Identifier: MIT
 *
 * cell-look.c - cells as others see them: handlers of faults, statistics, and walks.
 */
#include "heap/cell-record.h"

/* ---- by address ------------------------------------------------------------------------------ */

/* The cell that the address is nearest to.  Half of the slice between two cells counts as being
 * behind the first one, and the other half as being before the second one. */
static const struct cell *nearest(const struct cells *cells, const char *address)
{
	const char *first = (const char *)cells->arena + cell_slice(0) * SLICE - SLICE / 2;
	size_t offset = address > first ? (size_t)(address - first) : 0;

	return &cells->cell[min_size(offset / (2 * SLICE), CELLS - 1)];
}

/* Another thread may be about to reuse the cell: what is read then is of one block or the other. */
no_tsan static void view_cell(struct cell_view *view, const struct cell *cell)
{
	view->state = load_acquire(&cell->x_state); /* C1 */
	view->block = load_guess(&cell->block);
	view->size = load_guess(&cell->size);
	view->made.python = load_guess(&cell->made.python);
	view->made.native = load_guess(&cell->made.native);
	view->made.thread = load_guess(&cell->made.thread);
	view->freed.python = load_guess(&cell->freed.python);
	view->freed.native = load_guess(&cell->freed.native);
	view->freed.thread = load_guess(&cell->freed.thread);
}

bool cell_look(const void *address, struct cell_view *view)
{
	for (unsigned i = 0; i < CELL_ARENAS; i++) {
		const struct cells *cells = load_acquire(&x_cells[i]); /* C3 */

		if (!cells || arena_at(address) != cells->arena)
			continue;
		view_cell(view, nearest(cells, address));
		return true;
	}
	return false;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void add_pages(struct cell_pages *pages, const struct cell *cell)
{
	struct cell_view view;
	size_t bytes;

	view_cell(&view, cell);
	if (view.state != CELL_LIVE && view.state != CELL_WAITING)
		return;
	bytes = (size_t)(cell_end(cell) - cell_page(view.block));
	if (view.state == CELL_WAITING) {
		pages->waiting += bytes;
	} else {
		pages->live += view.size;
		pages->around += bytes - min_size(bytes, view.size);
	}
}

void cell_pages(const struct arena *arena, struct cell_pages *pages)
{
	const struct cells *cells = arena->cells;

	*pages = (struct cell_pages){ 0, 0, 0 };
	for (unsigned i = 0; i < CELLS; i++)
		add_pages(pages, &cells->cell[i]);
}

/* Of the blocks of a family no other family's threads make one, so only what is LIVE and of this
 * family needs to stand still. */
static bool is_to_visit(const struct cell *cell, const arn_family *family, unsigned tag)
{
	return load_acquire(&cell->x_state) == CELL_LIVE && /* C1 */
	       cell->family == family && cell->tag == tag && !load_relaxed(&cell->x_left);
}

bool cell_visit(const arn_family *family, unsigned tag,
                bool (*visitor)(void *arg, void *block, size_t size), void *arg)
{
	for (unsigned i = 0; i < CELL_ARENAS; i++) {
		struct cells *cells = load_acquire(&x_cells[i]); /* C3 */

		for (unsigned k = 0; cells && k < CELLS; k++) {
			const struct cell *cell = &cells->cell[k];

			if (is_to_visit(cell, family, tag) &&
			    !visitor(arg, cell->block, cell->size))
				return false;
		}
	}
	return true;
}
