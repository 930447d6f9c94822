/* SPDX-License-Identifier: MIT */
#include "heap/cache.h"

#include "heap/heap.h"
#include "heap/limbo.h"
#include "arena/meta.h"
#include "base/option.h"
#include "base/panic.h"
#include "heap/remote.h"
#include "heap/sweep.h"

#include <string.h>

/* A bin grows when it was refilled or flushed this often. */
#define MOVES       6u
#define MOVES_FIRST 640u
static const uint16_t level_slots[LEVELS] = { 0, LEVEL1, LEVEL2, LEVEL3 };

/* The array of a class without one: empty and full at once. */
static void *none[1];

/* A sixteenth of the budget for a class; at least two blocks, so that pairs stay in the cache. */
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
		bin->cap = cap_of(cls);
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

size_t cache_count(const struct heap *heap, unsigned cls)
{
	size_t n = (size_t)(load_relaxed(&heap->bin[cls].x_top) -
	                    load_relaxed(&heap->bin[cls].x_base));

	return n <= LEVEL3 ? n : 0; /* torn by a growing bin: statistics only */
}

/* Without a bin each malloc and each free is a move.  Ready blocks pin pages: where there are many
 * heaps, most of them of idle threads, a class has to be used more before it gets one. */
static unsigned moves_to_grow(const struct bin *bin)
{
	return bin->level == 0 ? (unsigned)min_size(MOVES_FIRST, MOVES * (1 + heap_count() / 2))
	                       : MOVES;
}

/* true: the bin has moved to a larger array, its own for good.  Arrays of all heaps stand one after
 * the other, so that few of them touch few pages. */
static bool grow_bin(struct heap *heap, unsigned cls)
{
	struct bin *bin = heap_bin(heap, cls);
	size_t n = cache_count(heap, cls);
	void **base;

	if (bin->level + 1 >= LEVELS || level_slots[bin->level] >= bin->cap ||
	    ++bin->moves < moves_to_grow(bin))
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

/* 0: it would need pages, and there are none to be had. */
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

/* At the limit the first pool may have blocks without pages only, and one of the next blocks with
 * pages. */
static cold noinline unsigned take_from_next(struct heap *heap, unsigned cls, void **slots,
                                             unsigned want)
{
	struct pool *first = heap->partial[cls], *pool = first;
	unsigned n = 0;

	for (unsigned tries = 0; n == 0 && tries < TRIES && (pool = pool->next) != first; tries++)
		n = take_from(heap, pool, slots, want);
	return n;
}

/* From the partial pools into slots[0 .. want), or from a new pool; 0: no memory. */
static inline unsigned take_blocks(struct heap *heap, unsigned cls, void **slots, unsigned want)
{
	unsigned n;

	if (!heap->partial[cls] && !heap_add_pool(heap, cls))
		return 0;
	/* heap_add_pool may have brought blocks home: the list, not the new pool, decides */
	n = take_from(heap, heap->partial[cls], slots, want);
	return likely(n > 0) ? n : take_from_next(heap, cls, slots, want);
}

/*
 * A class that is rarely used gets no pool, so no page, of its own while one that is not much
 * larger has a free block.  Above 2 KiB a page has few neighbours to share it.
 */
static void *take_one(struct heap *heap, unsigned cls)
{
	size_t most = sizeclasses[cls].size + sizeclasses[cls].size / 2 + 16;
	void *block;

	for (unsigned c = cls; c < CLASSES && sizeclasses[c].size <= min_size(most, 2 * KIB); c++)
		if (heap->partial[c] && take_from(heap, heap->partial[c], &block, 1))
			return block;
	return take_blocks(heap, cls, &block, 1) ? block : NULL;
}

/* It takes again: bins have all their room. */
static void end_sweeping(struct heap *heap)
{
	heap->sweeping = false;
	for (unsigned cls = 0; cls < CLASSES; cls++)
		set_limit(&heap->bin[cls]);
}

/* A quarter comes in, a half goes out: swings of a program that are smaller than the bin then stay
 * inside it. */
void *cache_refill(struct heap *heap, unsigned cls)
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
		return take_one(heap, cls);
	base = load_relaxed(&bin->x_base);
	n = take_blocks(heap, cls, base, want);
	if (n == 0)
		return NULL;
	store_relaxed(&bin->x_top, base + n - 1);
	return base[n - 1];
}

/* What lies in the first block's pool, of n blocks of one class: it goes there, and the pool is
 * settled once. */
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
		panic_block("block freed twice, or no block", block, NULL);
}

/* The n oldest blocks of a bin go to their pools. */
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

/* A heap that does nothing but give, so much that pages go back, keeps few blocks ready until it
 * takes again: freed in no order, each of them pins a page. */
void cache_overflow(struct heap *heap, struct pool *pool, void *block)
{
	struct bin *bin = heap_bin(heap, pool->cls);
	size_t room = (size_t)(bin->limit - load_relaxed(&bin->x_base));
	size_t keep = heap->sweeping ? min_size(room, LEVEL1) : room;
	bool grown = grow_bin(heap, pool->cls);
	void **top;

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
		size_t n = cache_count(heap, cls);

		if (n > 0)
			flush_oldest(heap, &heap->bin[cls], n);
	}
}

void cache_send_home(struct heap *heap)
{
	remote_drain(heap);
	cache_flush(heap);
	if (heap->deferred)
		limbo_poll(heap->family);
}
