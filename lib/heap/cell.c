/* SPDX-License-Identifier: MIT */
#include "heap/cell-record.h"

#include "arena/meta.h"
#include "arena/reclaim.h"
#include "arena/supply.h"
#include "base/usdt.h"
#include "heap/cell-cover.h"

/* Of what lies before the block on its page, this much is filled and compared. */
#define BEFORE_MOST ((size_t)PAGE_MIN)

static bool is_on;
_Atomic(struct cells *) x_cells[CELL_ARENAS]; /* C3 */
static _Atomic unsigned x_arenas;             /* places in x_cells that were taken, or more */
static struct stack empty;
static _Atomic(struct cell *) x_quarantine[CELL_QUARANTINE]; /* C2 */
static _Atomic unsigned x_freed;                             /* cells that ever went there */

static struct {
	_Atomic size_t x_made_blocks, x_made_bytes, x_freed_blocks, x_freed_bytes;
} counts[ROWS];
static _Atomic size_t x_used, x_refusals;

void cell_init(void)
{
	is_on = true;
}

/* ---- arenas ---------------------------------------------------------------------------------- */

static struct cell *cell_of(const struct pool *pool)
{
	struct arena *arena = arena_at(pool);

	return &arena->cells->cell[((unsigned)(pool - arena->pool) - ARENA_HEAD - 1) / 2];
}

/* Behind its head nothing of the arena can be accessed, and all of its slices are claimed for good.
 * NULL: the system has refused something. */
static struct arena *map_arena(void)
{
	struct arena *arena = os_map_aligned(ARENA_SIZE, ARENA_SIZE);

	if (!arena)
		return NULL;
	os_advise_huge(arena, ARENA_SIZE, OS_HUGE_NEVER);
	os_label(arena, ARENA_SIZE, "arenite cells");
	if (os_protect(arena_body(arena), ARENA_SIZE - ARENA_HEAD * SLICE, false) != 0) {
		os_unmap(arena, ARENA_SIZE);
		return NULL;
	}
	store_relaxed(&arena->x_size, ARENA_SIZE);
	return arena;
}

/* Other threads find the arena by the address of a block that they free, and take cells of it.
 * NULL: the table of arenas is full. */
static struct cells *publish(struct cells *cells, unsigned place)
{
	bool added;

	cells->arena->cells = cells;
	reclaim_enter();
	added = registry_add(cells->arena, &cells->arena->index);
	reclaim_exit();
	if (!added) {
		os_unmap(cells->arena, ARENA_SIZE);
		return NULL;
	}
	usdt_arena_map(cells->arena, ARENA_SIZE);
	add_relaxed(&arena_counters.x_mapped, ARENA_SIZE);
	store_release(&x_cells[place], cells); /* C3 */
	return cells;
}

/* Each try takes one of the places, also if it fails: so there are no more than CELL_ARENAS. */
static cold struct cells *add_arena(void)
{
	unsigned place = load_relaxed(&x_arenas);
	struct cells *cells;

	if (place >= CELL_ARENAS || (place = add_relaxed(&x_arenas, 1)) >= CELL_ARENAS)
		return NULL;
	cells = meta_take(sizeof(*cells), CACHE_LINE);
	if (!cells || !(cells->arena = map_arena()))
		return NULL;
	return publish(cells, place);
}

/* ---- empty cells ----------------------------------------------------------------------------- */

/* The next cell that was never used; NULL: there is none in this arena. */
static struct cell *begin_cell(struct cells *cells)
{
	unsigned n = cells ? load_relaxed(&cells->x_begun) : CELLS;

	if (n >= CELLS || (n = add_relaxed(&cells->x_begun, 1)) >= CELLS)
		return NULL;
	cells->cell[n].cells = cells;
	return &cells->cell[n];
}

/* A cell that was used before is better than another one, because its descriptor has pages. */
static struct cell *take_cell(void)
{
	struct stack_node *node = stack_pop(&empty); /* S1 */
	struct cell *cell = NULL;

	if (node)
		return container_of(node, struct cell, empty);
	for (unsigned i = 0; !cell && i < CELL_ARENAS; i++)
		cell = begin_cell(load_acquire(&x_cells[i])); /* C3 */
	return cell ? cell : begin_cell(add_arena());
}

static void give_cell(struct cell *cell)
{
	stack_push(&empty, &cell->empty); /* S1 */
}

/* The cell takes the place of the one that was put there CELL_QUARANTINE frees ago, which is empty
 * from then on.  Another thread may be between the two steps: then its cell takes a place later,
 * and the order is a little different. */
static void put_in_quarantine(struct cell *cell)
{
	_Atomic(struct cell *) *x_place = &x_quarantine[add_relaxed(&x_freed, 1) % CELL_QUARANTINE];
	struct cell *old;

	arn_yield_point("cell_quarantine");
	if (BUG(quarantine_in_two_steps)) {
		old = load_relaxed(x_place);
		arn_yield_point("cell_quarantine");
		store_relaxed(x_place, cell);
	} else {
		old = exchange_acq_rel(x_place, cell); /* C2 */
	}
	if (!old)
		return;
	store_relaxed(&old->x_state, CELL_EMPTY);
	give_cell(old);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The first byte before the block that is filled. */
static char *filled_from(const struct cell *cell)
{
	size_t before = (size_t)(cell->block - cell_page(cell->block));

	return cell->block - min_size(before, BEFORE_MOST);
}

static void fill_around(const struct cell *cell, char *end)
{
	char *from = filled_from(cell);

	memset(from, CELL_BYTE, (size_t)(cell->block - from));
	memset(cell->block + cell->size, CELL_BYTE, (size_t)(end - cell->block) - cell->size);
}

/* The descriptor of the cell's first slice, which makes its block the one of a large pool.  The
 * bits are never written to: they say that the block is not free. */
static void describe(const struct cell *cell)
{
	struct arena *arena = cell->cells->arena;
	unsigned slice = cell_first_slice(cell);
	struct pool *pool = &arena->pool[slice];

	pool->lead = pool;
	pool->base = cell->block;
	pool->block_size = cell->size;
	pool->capacity = 1;
	pool->bits = &arena->bits[slice];
	pool->cls = CLASS_LARGE;
	pool->tag = cell->tag;
	pool->slices = 1;
	store_relaxed(&pool->x_remote, arena->x_remote[REMOTE_PLAIN][slice]);
	store_release(&pool->x_heap, &cell_heap); /* P1 */
}

static void count_made(const struct cell *cell, size_t pages)
{
	add_relaxed(&counts[cell->row].x_made_blocks, 1);
	add_relaxed(&counts[cell->row].x_made_bytes, cell->size);
	add_relaxed(&x_used, 1);
	cell_cover(cell->caller);
	tally_add(&arena_counters.x_claimed, pages);
}

static void count_freed(const struct cell *cell)
{
	add_relaxed(&counts[cell->row].x_freed_blocks, 1);
	add_relaxed(&counts[cell->row].x_freed_bytes, cell->size);
	cell_uncover(cell->caller);
}

static void count_closed(size_t pages)
{
	sub_relaxed(&x_used, 1);
	tally_sub(&arena_counters.x_claimed, pages);
}

static void *refuse(void)
{
	add_relaxed(&x_refusals, 1);
	return NULL;
}

/* Half of the cells are for whoever comes first.  The rest is for blocks from places of the program
 * that have no live block in a cell yet, so that what lives for ever does not take all of them. */
bool cell_admits(uint64_t caller)
{
	if (load_relaxed(&x_used) < CELL_ARENAS * CELLS / 2 || !cell_is_covered(caller))
		return true;
	refuse();
	return false;
}

/* The caller has taken the cell. */
static void *make_block(struct cell *cell, size_t room)
{
	char *end = cell_end(cell), *page = cell_page(end - room);
	size_t pages = (size_t)(end - page);

	if (!supply_admits(pages) || os_protect(page, pages, true) != 0) {
		give_cell(cell);
		return refuse();
	}
	cell->block = end - room;
	fill_around(cell, end);
	describe(cell);
	count_made(cell, pages);
	store_release(&cell->x_state, CELL_LIVE); /* C1 */
	return cell->block;
}

/* The end of the block is on a page's end if its size is a multiple of the alignment. */
void *cell_malloc(const struct heap *heap, size_t size, size_t alignment,
                  const struct cell_event *made, uint64_t caller)
{
	struct cell *cell = is_on ? take_cell() : NULL;

	if (!cell)
		return refuse();
	arn_yield_point("cell_malloc");
	cell->family = heap->family;
	cell->tag = heap->tag;
	cell->row = heap->row;
	cell->deferred = heap->deferred;
	store_relaxed(&cell->x_left, false);
	cell->caller = caller;
	cell->size = max_size(size, 1);
	cell->made = *made;
	cell->freed = (struct cell_event){ 0, 0, 0 };
	return make_block(cell, align_up(cell->size, alignment));
}

/* ---- frees ----------------------------------------------------------------------------------- */

/* How many bytes from the first one on there are up to the last one that was written to. */
static size_t written(const char *from, const char *to)
{
	while (to > from && (unsigned char)to[-1] == CELL_BYTE)
		to--;
	return (size_t)(to - from);
}

/* The same from the last one down. */
static size_t written_before(const char *from, const char *to)
{
	while (from < to && (unsigned char)*from == CELL_BYTE)
		from++;
	return (size_t)(to - from);
}

static enum cell_misuse look_around(const struct cell *cell, const char *end, size_t *distance)
{
	*distance = written(cell->block + cell->size, end);
	if (*distance)
		return CELL_WRITTEN_BEHIND;
	*distance = written_before(filled_from(cell), cell->block);
	return *distance ? CELL_WRITTEN_BEFORE : CELL_FINE;
}

static size_t bytes_of_pages(const struct cell *cell)
{
	return (size_t)(cell_end(cell) - cell_page(cell->block));
}

/* No reader looks at the block any more.  Its pages cannot be accessed from now on, and go back to
 * the system.  If that refuses the first, the block is in quarantine as it is, and uses of it are
 * not found. */
static void close_cell(struct cell *cell)
{
	char *page = cell_page(cell->block);
	size_t pages = bytes_of_pages(cell);

	if (os_protect(page, pages, false) != 0)
		refuse();
	else
		os_purge(page, pages);
	count_closed(pages);
	store_relaxed(&cell->x_state, CELL_FREED);
	put_in_quarantine(cell);
}

/* The block is freed from now on; readers may look at it until the cell is closed. */
static bool claim_freed(struct cell *cell)
{
	unsigned live = CELL_LIVE;

	if (BUG(freed_in_two_steps)) {
		bool is_live = load_acquire(&cell->x_state) == CELL_LIVE;

		arn_yield_point("cell_free");
		store_relaxed(&cell->x_state, CELL_WAITING);
		return is_live;
	}
	return cas_acq_rel(&cell->x_state, &live, CELL_WAITING); /* C1 */
}

/* Of two threads that free the same block, one makes it FREED, and the other is told so.  The first
 * says who it is only then: whoever looks meanwhile finds no thread. */
enum cell_misuse cell_free(const struct pool *pool, void *block, const struct cell_event *freed,
                           size_t *distance)
{
	struct cell *cell = cell_of(pool);
	enum cell_misuse misuse;

	*distance = (size_t)((char *)block - cell->block);
	if (block != cell->block)
		return CELL_NOT_START;
	arn_yield_point("cell_free");
	if (!claim_freed(cell))
		return CELL_FREED_TWICE;
	cell->freed = *freed;
	misuse = look_around(cell, cell_end(cell), distance);
	if (misuse != CELL_FINE)
		return misuse;
	count_freed(cell);
	if (cell->deferred && !BUG(close_at_once))
		cell_wait_push(cell->family, &cell->wait, bytes_of_pages(cell));
	else
		close_cell(cell);
	return CELL_FINE;
}

/* Of a list that cell_wait_take has given. */
static void close_all(struct cell_wait *list)
{
	struct cell_wait *next;

	for (; list; list = next) {
		next = list->next;
		close_cell(container_of(list, struct cell, wait));
	}
}

void cell_poll(arn_family *family)
{
	close_all(cell_wait_take(family, false));
}

void cell_begin_anew(arn_family *family)
{
	for (unsigned i = 0; i < CELL_ARENAS; i++) {
		struct cells *cells = load_acquire(&x_cells[i]); /* C3 */

		for (unsigned k = 0; cells && k < CELLS; k++)
			if (load_acquire(&cells->cell[k].x_state) == CELL_LIVE && /* C1 */
			    cells->cell[k].family == family)
				store_relaxed(&cells->cell[k].x_left, true);
	}
	close_all(cell_wait_take(family, true));
}

bool cell_is_live(const struct pool *pool, const void *block)
{
	const struct cell *cell = cell_of(pool);

	return load_acquire(&cell->x_state) == CELL_LIVE && block == cell->block; /* C1 */
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* What was freed is read first: so the difference is never below zero. */
void cell_count(unsigned row, struct cell_count *count)
{
	size_t freed_blocks = load_relaxed(&counts[row].x_freed_blocks);
	size_t freed_bytes = load_relaxed(&counts[row].x_freed_bytes);

	count->made_blocks = load_relaxed(&counts[row].x_made_blocks);
	count->made_bytes = load_relaxed(&counts[row].x_made_bytes);
	count->live_blocks = count->made_blocks - freed_blocks;
	count->live_bytes = count->made_bytes - freed_bytes;
}

size_t cell_refusals(void)
{
	return load_relaxed(&x_refusals);
}
