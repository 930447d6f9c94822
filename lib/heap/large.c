/* SPDX-License-Identifier: MIT */
#include "heap/large.h"

#include "base/usdt.h"
#include "heap/empty.h"
#include "heap/heap.h"
#include "arena/budget.h"
#include "os/os.h"
#include "arena/retain.h"
#include "arena/supply.h"
#include "heap/sweep.h"

static _Atomic bool x_refused; /* the system has once refused to move pages */

static bool is_huge(const struct pool *pool)
{
	return pool->cls == CLASS_LARGE && arena_at(pool)->huge;
}

/* ---- new blocks ------------------------------------------------------------------------------ */

/* Four sizes for each doubling: a buffer that grows by an eighth then grows in place every other
 * time, and what it does not touch is not resident.  Under option LIMIT, which counts all that a
 * block may touch, and while memory is short, it is the size itself, in whole slices. */
size_t large_size(size_t size)
{
	unsigned k = 63 - (unsigned)__builtin_clzll(size - 1);

	if (budget_is_tight())
		return align_up(size, SLICE);
	return align_up(size, (size_t)1 << (k - 2));
}

/* An empty large pool that waits for its goal may serve again at once: its one block begins where
 * the old one began, so a late reader finds an object header there, or the old words.  What is
 * resident in it is not counted against option LIMIT again; if the rest is not admitted, the pool
 * returns to the limbo. */
static struct pool *take_large(struct heap *heap, size_t size)
{
	struct pool *pool = heap_take_waiting(heap, CLASS_LARGE, slices_of(size));
	size_t resident, tail;

	if (!pool)
		return NULL;
	resident = sweep_resident(pool);
	if (!supply_admits(size - min_size(size, resident))) {
		empty_add(heap, pool);
		return NULL;
	}
	sweep_mark_resident(pool);
	tail = pool_tail(pool);
	/* as in carved_size (heap.c) */
	pool->block_size = arena_at(pool)->huge && resident ? max_size(size, pool->block_size)
	                                                    : size;
	sweep_note_tail(pool, tail);
	pool->reads_zero = false;
	return pool;
}

/* A waiting pool serves first, then free slices, rounded up so that the block has room to grow. */
static struct pool *claim_large(struct heap *heap, size_t size)
{
	struct pool *pool = take_large(heap, size);

	return pool ? pool : heap_carve_pool(heap, CLASS_LARGE, slices_of(size), size);
}

/* ---- aligned --------------------------------------------------------------------------------- */

/* Every pool is so aligned, a huge one because it begins where the head ends. */
#define ALIGNED_BEHIND_HEAD (ARENA_HEAD * SLICE)
static_assert((ARENA_HEAD & (ARENA_HEAD - 1)) == 0, "the head ends at a power of two");

/* The size of an aligned block.  One that lies at more than a slice has just the slices that it
 * needs: whoever asks for such a block seldom lets it grow. */
static size_t aligned_size(size_t size, size_t alignment)
{
	return alignment <= SLICE ? large_size(size) : align_up(size, SLICE);
}

/* Has a shared arena a place for it? */
static bool fits_shared(size_t slices, size_t alignment)
{
	return alignment < ARENA_SIZE && supply_padded(slices, alignment) <= LARGE_SLICES;
}

/* A block that waits in the limbo is not looked for: it begins anywhere. */
static struct pool *claim_aligned(struct heap *heap, size_t size, size_t alignment)
{
	size_t slices = slices_of(size);
	struct run run;

	if (!supply_claim_padded(slices, alignment, &run))
		return NULL;
	if (run.clean)
		empty_make_room(heap, run.growth);
	return heap_carve_run(heap, CLASS_LARGE, &run, size);
}

/* An arena of its own, whose body begins where it should. */
static struct pool *claim_own(struct heap *heap, size_t size, size_t alignment)
{
	struct run run;

	if (!supply_claim_aligned(slices_of(size), max_size(alignment, ARENA_SIZE), &run))
		return NULL;
	empty_make_room(heap, run.growth);
	return heap_carve_run(heap, CLASS_LARGE, &run, size);
}

static struct pool *claim_pool(struct heap *heap, size_t wanted, size_t alignment)
{
	size_t size = aligned_size(wanted, alignment), slices = slices_of(size);

	if (alignment <= SLICE || (slices > LARGE_SLICES && alignment <= ALIGNED_BEHIND_HEAD))
		return claim_large(heap, size);
	return fits_shared(slices, alignment) ? claim_aligned(heap, size, alignment)
	                                      : claim_own(heap, size, alignment);
}

/* The one block of the pool is taken at once, so a large pool never has a free block while the heap
 * has it, except on its way out. */
void *large_malloc(struct heap *heap, size_t size, size_t alignment)
{
	struct pool *pool;
	void *block;

	pool = claim_pool(heap, size, alignment);
	if (!pool)
		return NULL;
	heap_attach_pool(heap, pool);
	pool_take(pool, &block, 1);
	heap_count_out(heap, pool, 1);
	return block;
}

/* ---- in place -------------------------------------------------------------------------------- */

/* Changes the size of the block that is out, and the counters that depend on it. */
static void set_size(struct heap *heap, struct pool *pool, size_t size)
{
	size_t tail = pool_tail(pool);

	if (size > pool->block_size)
		count_add(&heap->x_out_bytes, size - pool->block_size);
	else
		count_add(&heap->x_home_bytes, pool->block_size - size);
	pool->block_size = size;
	sweep_note_tail(pool, tail);
}

/* Changes how many slices belong to the pool, and the counters that depend on it. */
static void set_slices(struct heap *heap, struct pool *pool, size_t slices)
{
	size_t tail = pool_tail(pool);

	count_add(&heap->x_pool_bytes, (slices - pool->slices) * SLICE);
	pool->slices = (uint32_t)slices;
	sweep_note_tail(pool, tail);
}

/* Makes the slices behind the pool part of it, up to `slices` in all.  false: they are not all
 * free, or lie beyond the arena, or the limit does not admit them; nothing has changed then. */
static bool extend_pool(struct heap *heap, struct pool *pool, size_t slices)
{
	struct arena *arena = arena_at(pool);
	size_t next = (size_t)(pool - arena->pool) + pool->slices;
	struct run run;

	if (arena->huge || slices > LARGE_SLICES || next + slices - pool->slices > ARENA_END)
		return false;
	if (!supply_claim_at(arena, (unsigned)next, (unsigned)(slices - pool->slices), &run))
		return false;
	retain_note_fault(run.clean * SLICE);
	set_slices(heap, pool, slices);
	return true;
}

/* The slices behind the first `slices` leave the pool.  The pool is made shorter first: once they
 * are released, another thread may have a pool there. */
static void give_slices(struct heap *heap, struct pool *pool, size_t slices)
{
	struct arena *arena = arena_at(pool);
	size_t first = (size_t)(pool - arena->pool) + slices, rest = pool->slices - slices;

	if (rest == 0)
		return;
	set_slices(heap, pool, slices);
	supply_release(arena, (unsigned)first, rest, rest);
}

/* Gives back the pages of a huge block from one offset to the other.  Its arena belongs to the
 * block as long as that lives, so only pages can go, not slices.  false: the system has refused,
 * and the pages are still there. */
static bool give_pages(const struct pool *pool, size_t from, size_t to)
{
	from = align_up(from, os_page_size());
	to = align_up(to, os_page_size());
	if (from >= to)
		return true;
	if (os_purge(pool->base + from, to - from) != 0)
		return false;
	retain_note_gone(to - from);
	return true;
}

/* Does option LIMIT admit that the block grows into its tail?  Other blocks grow into slices, and
 * ask when they claim those. */
static bool may_grow(const struct pool *pool, size_t wanted)
{
	return pool_tail(pool) == 0 || supply_admits(wanted - min_size(wanted, pool->block_size));
}

/* Tries the rounded size first and then the size itself, so that the block grows in place where it
 * can.  false: it cannot, and nothing has changed. */
static bool grow_block(struct heap *heap, struct pool *pool, size_t size, size_t wanted)
{
	if (!may_grow(pool, wanted))
		return false;
	if (size > pool_span(pool) && !extend_pool(heap, pool, slices_of(wanted)) &&
	    !extend_pool(heap, pool, slices_of(size)))
		return false;
	budget_take(wanted - pool->block_size);
	set_size(heap, pool, min_size(wanted, pool_span(pool)));
	return true;
}

/* A huge block gives back pages, another one slices.  If the system does not take the pages, the
 * block stays as large as it was, which serves as well: true. */
static bool shrink_block(struct heap *heap, struct pool *pool, size_t wanted)
{
	/* It would use less than half of its arena: realloc takes a smaller one instead. */
	if (is_huge(pool) && wanted < pool_span(pool) / 2)
		return false;
	if (is_huge(pool) && !give_pages(pool, wanted, pool->block_size))
		return true; /* it stays as long as it was */
	if (!is_huge(pool))
		give_slices(heap, pool, slices_of(wanted));
	set_size(heap, pool, wanted);
	return true;
}

/* The block stays where it is, or nothing has changed.  What it gives up belongs to the arena or to
 * the system afterwards. */
bool large_resize(struct heap *heap, struct pool *pool, size_t size)
{
	size_t wanted = large_size(size);

	if (wanted >= pool->block_size)
		return grow_block(heap, pool, size, wanted);
	return shrink_block(heap, pool, wanted);
}

/* ---- by pages -------------------------------------------------------------------------------- */

bool large_may_move(const struct pool *from, const struct pool *to)
{
	return to && is_huge(from) && is_huge(to) && !arena_at(from)->lead && !arena_at(to)->lead &&
	       !load_relaxed(&x_refused);
}

/* The pages behind the first LARGE_KEPT bytes have moved away, or may have: another mapping may be
 * in their place by now.  So the arena ends there from now on, and the pool consists of what is
 * left less a guard.  All sums are made smaller accordingly. */
static void cut_off(struct pool *pool)
{
	struct arena *arena = arena_at(pool);
	size_t size = ARENA_HEAD * SLICE + LARGE_KEPT, slices = LARGE_KEPT / SLICE - ARENA_GUARD;

	if (BUG(uncut))
		return;
	usdt_arena_unmap((char *)arena + size, arena_size(arena) - size);
	sub_relaxed(&arena_counters.x_mapped, arena_size(arena) - size);
	tally_sub(&arena_counters.x_claimed, (pool->slices - slices) * SLICE);
	store_relaxed(&arena->x_size, size);
	set_slices(load_relaxed(&pool->x_heap), pool, slices);
	set_size(load_relaxed(&pool->x_heap), pool, slices * SLICE);
	os_purge(pool->base + slices * SLICE, LARGE_KEPT - slices * SLICE);
}

/* The bytes behind the part that is copied. */
static size_t movable(const struct pool *pool)
{
	return arena_room(arena_at(pool)) * SLICE - LARGE_KEPT;
}

/* The kernel moves the mapping of the old body to the place of the new one, whose mapping it
 * removes.  Before that both arenas are hidden from those who have an address, because something
 * else may be mapped in either place as soon as it is free.  Then the guard behind the old body is
 * unmapped, the new block gives back pages of the old one that it does not need, and the old arena
 * is cut off.  On failure the new body may have lost its mapping, so it is the new arena that is
 * cut off; the old block is as it was, and the caller frees the new one and copies to another. */
bool large_move(struct pool *from, struct pool *to)
{
	struct arena *arena = arena_at(from);

	registry_cut(arena);
	registry_cut(arena_at(to));
	if (os_move(from->base + LARGE_KEPT, movable(from), to->base + LARGE_KEPT, movable(to)) !=
	    0) {
		store_relaxed(&x_refused, true);
		registry_mend(arena);
		cut_off(to);
		return false;
	}
	registry_mend(arena_at(to));
	os_unmap((char *)arena + arena_size(arena) - ARENA_GUARD * SLICE, ARENA_GUARD * SLICE);
	give_pages(to, to->block_size, min_size(from->block_size, pool_span(to)));
	cut_off(from);
	return true;
}
