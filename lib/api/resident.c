/* SPDX-License-Identifier: MIT
 *
 * resident.c - how much of our memory is resident, and why.  Each byte of our mappings that the
 * kernel has in memory is counted under exactly one cause of struct arn_resident.
 *
 * Source      The kernel says which pages are resident (os_resident), and the descriptors of pools
 *             say what is on them.  The descriptors are read while their owners work.  If a pool
 *             changes hands meanwhile, a page or two of it may be counted under the wrong cause,
 *             but each page is counted once.
 * Caches      The bitmaps do not tell blocks in pool caches from live ones.  So an estimate has to
 *             do: if a third of a class's blocks that are not free are in caches, a third of their
 *             resident bytes are counted as cached.
 * Process     What the whole process has resident comes from the kernel (os_memory).  Arenite's
 *             memory is anonymous, so the rest of the anonymous memory is not Arenite's.
 * Existence   An arena is looked at inside one section of reclaim.h.  An arena that waits to be
 *             unmapped is in no table any more and may be unmapped at any moment: of such arenas
 *             only the addresses are used, and nothing in them is read.
 * Callers     any thread.
 * Progress    wait-free in the number of arenas, heaps and threads; system calls for each arena.
 */
#include "arena/arena.h"
#include "heap/cache.h"
#include "heap/cell.h"
#include "heap/family.h"
#include "arena/meta.h"
#include "os/os.h"
#include "arena/reclaim.h"
#include "arena/retire.h"

/*
 * Of one class: the resident bytes of blocks that are neither free nor in a remote word, and the
 * number of such blocks, resident or not.  They are live or in a pool cache.
 */
struct taken {
	size_t resident, blocks;
};

struct survey {
	struct arn_resident *to;
	struct taken taken[CLASSES + 1];
	size_t remote_bytes;                           /* in remote words, resident or not */
	unsigned char resident[ARENA_SIZE / PAGE_MIN]; /* of the part that is looked at */
};

/*
 * The resident bytes among the first `bytes` bytes, by the map of their pages that the kernel has
 * given.
 */
static size_t count_resident(const unsigned char *resident, size_t bytes)
{
	size_t page = os_page_size(), n = 0;

	for (size_t i = 0; i < bytes / page; i++)
		n += resident[i] & 1;
	return n * page;
}

/*
 * The resident bytes of any range of addresses.  A part about which the kernel gives no answer,
 * because it is not mapped any more, counts as 0.
 */
static size_t resident_bytes(struct survey *survey, const char *address, size_t size)
{
	size_t n = 0;

	for (size_t done = 0; done < size; done += ARENA_SIZE) {
		size_t part = min_size(size - done, ARENA_SIZE);

		if (os_resident(address + done, part, survey->resident) == 0)
			n += count_resident(survey->resident, part);
	}
	return n;
}

/* ---- pools ----------------------------------------------------------------------------------- */

/* A copy of what is needed of a pool, since the pool may change while it is looked at. */
struct view {
	const struct heap *heap;
	size_t span, block_size;
	unsigned cls, capacity;
	bool empty, has_remote;
	uint64_t taken[POOL_WORDS + 1], remote[POOL_WORDS + 1];
};

/*
 * The shape of a pool that belongs to another thread.  Its plain fields are read while the owner
 * may write to them, so they are a guess: the span is cut to the room that there is, and the block
 * size to the span, so that a wrong guess only makes a wrong number.
 */
no_tsan static void view_shape(struct view *view, const struct pool *pool, size_t room)
{
	unsigned cls = load_guess(&pool->cls);
	size_t slices = load_guess(&pool->slices), size = load_guess(&pool->block_size);

	view->cls = cls < CLASSES ? cls : CLASS_LARGE;
	if (cls < CLASSES)
		slices = sizeclasses[cls].slices;
	view->span = min_size(max_size(slices, 1) * SLICE, room);
	view->block_size = cls < CLASSES ? sizeclasses[cls].size
	                                 : max_size(min_size(size, view->span), 16);
	view->capacity = cls < CLASSES ? sizeclasses[cls].capacity : 1;
}

/*
 * A pool uses one of the two tables of remote words (arena.h), so its word in the other one is
 * empty.
 */
static uint64_t remote_word(const struct arena *arena, unsigned slice, unsigned word)
{
	return load_relaxed(&arena->x_remote[REMOTE_PLAIN][slice][word]) |
	       load_relaxed(&arena->x_remote[REMOTE_WALKED][slice][word]);
}

/*
 * The pool's bitmaps.  They are read from the arena's own tables and not through the pool, because
 * the descriptor of a slice that never began a pool has no pointer to them.  Both maps get a word
 * of zeros at their end, which bytes_in may look at.
 */
static void view_bits(struct view *view, const struct arena *arena, unsigned slice)
{
	const _Atomic uint64_t *x_free = arena->bits[slice].x_free_map;
	unsigned words = (view->capacity + 63) / 64, rest = view->capacity % 64;
	size_t free = 0;

	view->has_remote = false;
	for (unsigned word = 0; word < words; word++) {
		uint64_t all = word + 1 == words && rest ? bit_run(0, rest) : ~(uint64_t)0;

		view->remote[word] = remote_word(arena, slice, word) & all;
		view->taken[word] = ~load_relaxed(&x_free[word]) & all;
		free += count_bits(all & ~view->taken[word]);
		view->taken[word] &= ~view->remote[word];
		view->has_remote |= view->remote[word] != 0;
	}
	view->taken[words] = view->remote[words] = 0;
	view->empty = free == view->capacity;
}

/* How many of the bits from first to last, both included, are set. */
static size_t count_range(const uint64_t *map, size_t first, size_t last)
{
	size_t n = 0;

	for (size_t word = first / 64; word <= last / 64; word++) {
		unsigned low = word == first / 64 ? first % 64 : 0,
			 high = word == last / 64 ? last % 64 : 63;

		n += count_bits(map[word] & bit_run(low, high - low + 1));
	}
	return n;
}

static bool has_bit(const uint64_t *map, size_t bit)
{
	return map[bit / 64] >> bit % 64 & 1;
}

/*
 * How many of the bytes from offset `from` up to `to`, which is not included, lie in blocks whose
 * bit is set.  All blocks that the range touches are counted whole; then what the first and the
 * last have outside it is taken away.
 */
static size_t bytes_in(const struct view *view, const uint64_t *map, size_t from, size_t to)
{
	size_t size = view->block_size, first = from / size, last = (to - 1) / size, bytes;

	if (first >= view->capacity)
		return 0;
	if (last > view->capacity)
		last = view->capacity; /* there the maps have a zero */
	bytes = count_range(map, first, last) * size;
	bytes -= has_bit(map, first) ? from - first * size : 0;
	return bytes - (has_bit(map, last) ? (last + 1) * size - to : 0);
}

/*
 * Count a resident page of a pool that is in use.  Its bytes in free blocks are pinned if some
 * other block keeps the page, and else retained: the page could go back.
 */
static void add_page(struct survey *survey, const struct view *view, size_t offset)
{
	size_t page = os_page_size(), taken = bytes_in(view, view->taken, offset, offset + page);
	size_t remote = view->has_remote ? bytes_in(view, view->remote, offset, offset + page) : 0;

	survey->taken[view->cls].resident += taken;
	survey->to->remote += remote;
	*(taken + remote ? &survey->to->pinned : &survey->to->retained) += page - taken - remote;
}

/*
 * Count a pool.  The pages of an empty one belong to one cause as a whole: it waits for readers if
 * its heap defers the release of pools, and else it is kept for reuse.
 */
static void add_pool(struct survey *survey, const struct view *view, const unsigned char *resident)
{
	unsigned words = (view->capacity + 63) / 64;

	for (unsigned word = 0; word < words; word++) {
		survey->taken[view->cls].blocks += count_bits(view->taken[word]);
		survey->remote_bytes += count_bits(view->remote[word]) * view->block_size;
	}
	if (view->empty) {
		*(view->heap->deferred
		          ? &survey->to->waiting
		          : &survey->to->retained) += count_resident(resident, view->span);
		return;
	}
	for (size_t offset = 0; offset < view->span; offset += os_page_size())
		if (*resident++ & 1)
			add_page(survey, view, offset);
}

/* ---- arenas ---------------------------------------------------------------------------------- */

static bool has_slice(const _Atomic uint64_t *map, unsigned slice)
{
	return load_relaxed(&map[slice / 64]) >> slice % 64 & 1;
}

/* Look at the pool that begins with this slice.  false: as far as can be seen none does. */
static bool view_pool(struct view *view, struct arena *arena, unsigned slice, size_t room)
{
	struct pool *pool = &arena->pool[slice];

	view->heap = load_acquire(&pool->x_heap); /* P1 */
	if (!view->heap)
		return false;
	view_shape(view, pool, room);
	view_bits(view, arena, slice);
	return true;
}

/* Count what begins with this slice, a pool or a free slice, and return how many slices it has. */
static unsigned add_slice(struct survey *survey, struct arena *arena, unsigned slice)
{
	const unsigned char *resident = survey->resident + slice * SLICE / os_page_size();
	struct view view;

	if (!has_slice(arena->x_free_slices, slice) &&
	    view_pool(&view, arena, slice, (ARENA_END - slice) * SLICE)) {
		add_pool(survey, &view, resident);
		return (unsigned)(view.span / SLICE);
	}
	survey->to->retained += count_resident(resident, SLICE);
	return 1;
}

static void add_shared(struct survey *survey, struct arena *arena)
{
	if (os_resident(arena, ARENA_SIZE, survey->resident) != 0)
		return;
	survey->to->metadata += count_resident(survey->resident, ARENA_HEAD * SLICE);
	for (unsigned slice = ARENA_HEAD; slice < ARENA_END;)
		slice += add_slice(survey, arena, slice);
}

/*
 * Count an arena that has one large block.  It may be larger than the table of pages in struct
 * survey, so it is counted as a whole and not page by page.
 */
static void add_huge(struct survey *survey, struct arena *arena)
{
	size_t body = arena_room(arena) * SLICE, bytes;
	struct view view;

	survey->to->metadata += resident_bytes(survey, (char *)arena, ARENA_HEAD * SLICE);
	bytes = resident_bytes(survey, arena_body(arena), body);
	if (!load_relaxed(&arena->x_huge_used) || !view_pool(&view, arena, ARENA_HEAD, body))
		survey->to->retained += bytes;
	else if (view.empty)
		*(view.heap->deferred ? &survey->to->waiting : &survey->to->retained) += bytes;
	else if (view.remote[0])
		survey->to->remote += bytes;
	else
		survey->taken[CLASS_LARGE].resident += bytes;
}

/* As much of what is left as there is. */
static size_t take(size_t *left, size_t bytes)
{
	bytes = min_size(*left, bytes);
	*left -= bytes;
	return bytes;
}

/*
 * Count an arena that has only cells.  The pages of live blocks are resident, and what is around
 * the blocks there is pinned by them.  Of freed blocks nothing is left but the pages that wait for
 * readers, unless the system has refused to take it.
 */
static void add_cells(struct survey *survey, struct arena *arena)
{
	struct cell_pages pages;
	size_t body;

	cell_pages(arena, &pages);
	if (os_resident(arena, ARENA_SIZE, survey->resident) != 0)
		return;
	survey->to->metadata += count_resident(survey->resident, ARENA_HEAD * SLICE);
	body = count_resident(survey->resident + ARENA_HEAD * SLICE / os_page_size(),
	                      ARENA_SIZE - ARENA_HEAD * SLICE);
	survey->to->live += take(&body, pages.live);
	survey->to->pinned += take(&body, pages.around);
	survey->to->waiting += take(&body, pages.waiting);
	survey->to->retained += body;
}

static void add_arenas(struct survey *survey)
{
	for (unsigned index = 0; index < registry_count(); index++) {
		struct arena *arena;

		reclaim_enter();
		arena = registry_entry(index);
		if (arena && arena->cells)
			add_cells(survey, arena);
		else if (arena && arena->huge)
			add_huge(survey, arena);
		else if (arena)
			add_shared(survey, arena);
		reclaim_exit();
	}
}

/*
 * Count retired arenas that still wait to be unmapped.  They are found by their entries in
 * registry_bytes.  All their pages have gone back, except for those of the head.
 */
static void add_retired(struct survey *survey)
{
	for (uintptr_t index = 0; retire_waiting() && index < array_length(registry_bytes);
	     index++) {
		struct arena *arena = (struct arena *)(index << ARENA_SHIFT);

		if (registry_is_retired(arena))
			survey->to->retired += resident_bytes(survey, (char *)arena, ARENA_SIZE);
	}
}

/* ---- caches and sums ------------------------------------------------------------------------- */

/* The number of blocks in the pool caches of all heaps, by class. */
static void count_cached(size_t cached[CLASSES])
{
	for (arn_family *family = family_first(); family;
	     family = load_acquire(&family->x_next)) /* F1 */
		for (struct heap *heap = load_acquire(&family->x_heaps); heap;
		     heap = heap->next) /* F1 */
			for (unsigned cls = 0; cls < CLASSES; cls++)
				cached[cls] += cache_count(heap, cls);
}

/*
 * Divide what is resident in blocks that are not free into cached and live, class by class, as the
 * head of this file says.  In floating point, because the product of bytes and blocks may not fit
 * into 64 bits.
 */
static void split_taken(struct survey *survey)
{
	size_t cached[CLASSES + 1] = { 0 };

	count_cached(cached);
	for (unsigned cls = 0; cls <= CLASS_LARGE; cls++) {
		const struct taken *taken = &survey->taken[cls];
		size_t part = 0;

		if (taken->blocks)
			part = (size_t)((double)taken->resident *
			                (double)min_size(cached[cls], taken->blocks) /
			                (double)taken->blocks);
		survey->to->cached += part;
		survey->to->live += taken->resident - part;
	}
}

/*
 * Blocks that a thread has freed to another's heap and still gathers are in no remote word yet, so
 * they look live.  The statistics know how many bytes have been freed remotely altogether: the
 * difference is moved from live to remote.
 */
static void move_gathered(struct survey *survey)
{
	struct arn_stats stats;
	size_t freed = 0, gathered;

	arn_stats_read(&stats, sizeof(stats));
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		freed += stats.tag[tag].remote_bytes;
	gathered = freed - survey->remote_bytes;
	if (gathered > survey->to->live)
		return; /* also if it is below zero, because heaps were drained meanwhile */
	survey->to->live -= gathered;
	survey->to->remote += gathered;
}

static void add_record(void *survey, const void *chunk, size_t size)
{
	struct survey *e = survey;

	e->to->metadata += resident_bytes(e, chunk, size);
}

/* What the kernel says of the process.  It is asked last, so that what has been found is in it. */
static void add_process(struct arn_resident *to)
{
	struct os_memory memory;

	if (!os_memory(&memory))
		return;
	to->process = memory.resident;
	to->files = memory.files;
	to->other = memory.anonymous - min_size(memory.anonymous, to->total);
	to->peak = memory.peak;
}

void arn_stats_resident(struct arn_resident *resident, size_t size)
{
	struct arn_resident now = { 0 }, *to = &now;
	struct survey survey = { .to = to };

	add_arenas(&survey);
	add_retired(&survey);
	meta_visit(add_record, &survey);
	split_taken(&survey);
	move_gathered(&survey);
	to->total = to->live + to->cached + to->remote + to->waiting + to->retired + to->pinned +
	            to->retained + to->metadata;
	add_process(to);
	fill_struct(resident, size, &now, sizeof(now));
}
