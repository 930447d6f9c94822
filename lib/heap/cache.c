/* SPDX-License-Identifier: MIT */
#include "heap/cache.h"

#include "heap/empty.h"
#include "heap/heap.h"
#include "arena/meta.h"
#include "base/option.h"
#include "base/panic.h"
#include "heap/remote.h"
#include "heap/sample.h"
#include "heap/sweep.h"

#include <string.h>

/* A bin moves to a larger array after it was refilled or flushed this often.  Its first array comes
 * later where there are many heaps: after MOVES_IDLE or MOVES_BUSY of them at most, as the heap has
 * had fewer or more than BUSY slow paths. */
#define MOVES      6u
#define MOVES_IDLE 640u
#define MOVES_BUSY 24u
#define BUSY       512u
static const uint16_t level_slots[LEVELS] = { 0, LEVEL1, LEVEL2, LEVEL3 };

/* The array of a bin without one of its own.  Base, top and limit are equal there, so the bin is
 * empty and full at once, and every malloc and free of the class takes the slow path. */
static void *none[1];

/* The most blocks that a bin of this class may hold: a sixteenth of the budget of option CACHE, but
 * at least two, so that a program which frees and allocates in pairs stays in the cache. */
static uint16_t cap_of(unsigned cls)
{
	size_t budget = option(OPTION_CACHE) / 16;

	if (budget == 0 || option(OPTION_CHECKS) > 0)
		return 0;
	return (uint16_t)max_size(2, min_size(budget / sizeclasses[cls].size,
	                                      cls < LEVEL3_CLASSES ? LEVEL3 : LEVEL2));
}

static void set_limit(struct bin *bin)
{
	bin->limit = load_relaxed(&bin->x_base) + min_size(bin->cap, level_slots[bin->level]);
}

void cache_init(struct heap *heap)
{
	for (unsigned cls = 0; cls < CLASSES; cls++) {
		struct bin *bin = heap_bin(heap, cls);

		bin->level = 0;
		bin->cap = heap->sampled ? (uint16_t)min_size(cap_of(cls), LEVEL1) : cap_of(cls);
		store_relaxed(&bin->x_base, none);
		store_relaxed(&bin->x_top, none);
		set_limit(bin);
	}
}

static void move_bin(struct bin *to, struct bin *from)
{
	store_relaxed(&to->x_base, load_relaxed(&from->x_base));
	store_relaxed(&to->x_top, load_relaxed(&from->x_top));
	to->level = from->level;
	set_limit(to);
}

void cache_move(struct heap *to, struct heap *from)
{
	for (unsigned cls = 0; cls < CLASSES; cls++)
		move_bin(&to->bin[cls], &from->bin[cls]);
	cache_init(from);
}

/* Blocks in one bin.  A reader of statistics may see it while it moves. */
static size_t count_bin(const struct bin *bin)
{
	size_t n = (size_t)(load_relaxed(&bin->x_top) - load_relaxed(&bin->x_base));

	return n <= LEVEL3 ? n : 0;
}

size_t cache_count(const struct heap *heap, unsigned cls)
{
	return count_bin(&heap->bin[cls]);
}

/* A bin without an array comes here at each malloc and each free.  Ready blocks keep their pages
 * resident: where there are many heaps, most of them of idle threads, a class must be used more
 * often before its bin gets an array.  A heap that goes on and on is not one of those. */
static unsigned moves_to_grow(const struct heap *heap, const struct bin *bin)
{
	unsigned most = load_relaxed(&heap->x_slow_paths) < BUSY ? MOVES_IDLE : MOVES_BUSY;

	return bin->level == 0 ? (unsigned)min_size(most, MOVES * (1 + heap_count() / 2)) : MOVES;
}

/* Counts a refill or flush of the bin.  When there were enough of them, and the budget allows more,
 * the bin moves with its blocks to the next larger array, which is its own for good.  The arrays of
 * all heaps lie one behind the other, so that few of them touch few pages.  false: the bin is as it
 * was, also when there is no memory for the array; later refills try again. */
static bool grow_bin(struct heap *heap, unsigned cls)
{
	struct bin *bin = heap_bin(heap, cls);
	size_t n = count_bin(bin);
	void **base;

	if (bin->level + 1 >= LEVELS || level_slots[bin->level] >= bin->cap ||
	    ++bin->moves < moves_to_grow(heap, bin))
		return false;
	bin->moves = 0;
	base = meta_take(level_slots[bin->level + 1] * sizeof(void *), CACHE_LINE);
	if (!base)
		return false;
	bin->level++;
	memcpy(base, load_relaxed(&bin->x_base), n * sizeof(void *));
	store_relaxed(&bin->x_base, base);
	store_relaxed(&bin->x_top, base + n);
	set_limit(bin);
	return true;
}

/* Takes up to `want` blocks from this pool and updates what depends on them: the granules that they
 * touch, the list of partial pools, the counters.  0: the blocks would need pages, and option LIMIT
 * admits none. */
static unsigned take_from(struct heap *heap, struct pool *pool, void **slots, unsigned want)
{
	unsigned n = sweep_admitted(pool, want);

	if (unlikely(n == 0))
		return 0;
	n = pool_take(pool, slots, n);
	sweep_taken(heap, pool, n, slots[n - 1], slots[0]);
	if (pool_free_count(pool) == 0)
		heap_unlist(heap, pool);
	heap_count_out(heap, pool, n);
	return n;
}

#define TRIES 64u

/* At the limit of option LIMIT, the first partial pool may have only blocks without pages, while
 * one of the next has blocks with pages. */
static cold noinline unsigned take_from_next(struct heap *heap, unsigned cls, void **slots,
                                             unsigned want)
{
	struct pool *first = heap->partial[cls], *pool = first;
	unsigned n = 0;

	for (unsigned tries = 0; n == 0 && tries < TRIES && (pool = pool->next) != first; tries++)
		n = take_from(heap, pool, slots, want);
	return n;
}

/* Takes up to `want` blocks of the class into slots[] from the first partial pool, or from a new
 * pool if there is none.  0: there is no memory. */
static inline unsigned take_blocks(struct heap *heap, unsigned cls, void **slots, unsigned want)
{
	unsigned n;

	if (!heap->partial[cls] && !heap_add_pool(heap, cls))
		return 0;
	/* heap_add_pool may have drained other pools: the list, not the new pool, decides */
	n = take_from(heap, heap->partial[cls], slots, want);
	return likely(n > 0) ? n : take_from_next(heap, cls, slots, want);
}

/*
 * A class that is rarely used gets no pool, so no page, of its own while one that is not much
 * larger has a free block, and is as aligned.  Above 2 KiB a page has few neighbours to share it.
 */
static void *take_one(struct heap *heap, unsigned cls, size_t alignment)
{
	size_t most = sizeclasses[cls].size + sizeclasses[cls].size / 2 + 16;
	void *block;

	for (unsigned c = cls; c < CLASSES && sizeclasses[c].size <= min_size(most, 2 * KIB); c++)
		if (heap->partial[c] && (BUG(any_class) || sizeclass_is_aligned(c, alignment)) &&
		    take_from(heap, heap->partial[c], &block, 1))
			return block;
	return take_blocks(heap, cls, &block, 1) ? block : NULL;
}

/* The heap allocates again after a time of only freeing (see cache_overflow): its bins may use all
 * of their arrays. */
static void end_sweeping(struct heap *heap)
{
	heap->sweeping = false;
	for (unsigned cls = 0; cls < CLASSES; cls++)
		set_limit(&heap->bin[cls]);
}

/*
 * The bin is empty.  First what other threads have freed is drained, so that it serves before new
 * memory does.  Then a quarter of the bin is filled from the first partial pool, or from a new one,
 * and the top block is returned.  A quarter comes in and a half goes out: swings of a program that
 * are smaller than the bin then stay inside it.
 *
 * A bin without an array gets one block straight from a pool.  NULL: there is no memory, or option
 * LIMIT admits none; the bin is still empty and the caller may try again.
 */
void *cache_refill(struct heap *heap, unsigned cls, size_t alignment)
{
	struct bin *bin = heap_bin(heap, cls);
	unsigned want, n;
	void **base;

	remote_drain(heap);
	if (unlikely(heap->sweeping))
		end_sweeping(heap);
	grow_bin(heap, cls);
	want = (unsigned)(bin->limit - load_relaxed(&bin->x_base)) / 4;
	if (want <= 1)
		return take_one(heap, cls, alignment);
	base = load_relaxed(&bin->x_base);
	n = take_blocks(heap, cls, base, want);
	if (n == 0)
		return NULL;
	store_relaxed(&bin->x_top, base + n - 1);
	return base[n - 1];
}

/* Returns those of n blocks that lie in this pool, from the first one on, to its bitmap, and then
 * reclassifies the pool once for all of them: it may have become partial or empty.  Returns their
 * number; 0: the first one is not a block of the pool. */
static unsigned give_run(struct heap *heap, struct pool *pool, void **blocks, unsigned n)
{
	uint32_t before = pool_free_count(pool);

	n = pool_give(pool, blocks, n);
	heap_count_home(heap, pool, n);
	if (pool->cls != CLASS_LARGE)
		sweep_given(heap, pool, n);
	if (before == 0 || pool_is_empty(pool))
		heap_reclassify_pool(heap, pool, before);
	return n;
}

void cache_give_pool(struct heap *heap, struct pool *pool, void *block)
{
	if (give_run(heap, pool, &block, 1) == 0)
		panic_block("freed pointer is not the start of a block", block, NULL);
}

/* Returns the n oldest blocks of a bin to their pools.  The newest ones, which are warm, stay, and
 * move to the bottom of the array.  Neighbours in the array mostly come from one pool, so they
 * return in runs. */
static void flush_oldest(struct heap *heap, struct bin *bin, size_t n)
{
	void **base = load_relaxed(&bin->x_base);
	size_t rest = (size_t)(load_relaxed(&bin->x_top) - base) - n;

	for (size_t i = 0; i < n;) {
		unsigned given = give_run(heap, arena_pool_at(base[i])->lead, base + i,
		                          (unsigned)(n - i));

		if (unlikely(given == 0))
			panic_block("freed pointer is not the start of a block", base[i], NULL);
		i += given;
	}
	memmove(base, base + n, rest * sizeof(void *));
	store_relaxed(&bin->x_top, base + rest);
}

/*
 * The bin is full.  Either it moves to a larger array, or its older half is flushed; then the block
 * goes on top.  A bin without an array sends the block straight to its pool.
 *
 * A heap that only frees, and so much that its pages go back (`sweeping`), keeps just a few blocks
 * ready until it allocates again: freed in no order, each ready block keeps a page resident.  The
 * limit of the bin is lowered for that; end_sweeping raises it again.
 *
 * A block that is on top of the bin already is freed twice.  The fast path does not look; a pair
 * that it has made is found when it leaves the bin, by its bit.
 */
void cache_overflow(struct heap *heap, struct pool *pool, void *block)
{
	struct bin *bin = heap_bin(heap, pool->cls);
	size_t room = (size_t)(bin->limit - load_relaxed(&bin->x_base));
	size_t keep = heap->sweeping ? min_size(room, LEVEL1) : room;
	bool grown = grow_bin(heap, pool->cls);
	void **top = load_relaxed(&bin->x_top);

	if (unlikely(room > 0 && top[-1] == block))
		panic_block("block freed twice", block, NULL);
	if (!grown && room < 2) {
		cache_give_pool(heap, pool->lead, block);
		return;
	}
	if (!grown) {
		flush_oldest(heap, bin, room - keep / 2);
		bin->limit = load_relaxed(&bin->x_base) + keep;
	}
	top = load_relaxed(&bin->x_top);
	*top = block;
	store_relaxed(&bin->x_top, top + 1);
}

void cache_flush(struct heap *heap)
{
	for (unsigned cls = 0; cls < CLASSES; cls++) {
		size_t n = count_bin(&heap->bin[cls]);

		if (n > 0)
			flush_oldest(heap, &heap->bin[cls], n);
	}
}

void cache_send_home(struct heap *heap)
{
	remote_drain(heap);
	cache_flush(heap);
	if (heap->deferred)
		empty_poll(heap);
}
