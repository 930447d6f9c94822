/* SPDX-License-Identifier: MIT */
#include "arena/pool.h"

#include "arena/supply.h"
#include "os/os.h"

#include "base/option.h"
#include "base/panic.h"
#include "arena/reclaim.h"

#include <arenite/arenite.h>
#include <string.h>

/* The section keeps mapped what the registry has found in it.  The descriptor may change hands
 * while it is read: the pool may be released, and another one carved here.  The words that are read
 * are then those of one pool or the other, which was there during the call. */
no_tsan bool pool_look(const void *address, struct pool_view *view)
{
	const struct pool *pool = NULL;

	view->heap = NULL;
	if (!BUG(look_outside))
		reclaim_enter();
	if (likely(registry_finds(address))) {
		arn_yield_point("pool_look");
		pool = arena_pool_at(address);
	} else if (registry_finds_body(address)) {
		pool = pool_at_body(address);
	}
	if (pool)
		view->heap = load_acquire(&pool->x_heap); /* P1 */
	if (likely(view->heap != NULL)) {
		pool = load_guess(&pool->lead);
		view->block_size = load_guess(&pool->block_size);
		view->tag = load_guess(&pool->tag);
	}
	if (!BUG(look_outside))
		reclaim_exit();
	return view->heap != NULL;
}

no_tsan bool pool_is_gap(const void *address)
{
	bool found = false;

	reclaim_enter();
	if (registry_finds(address)) {
		const struct arena *arena = arena_at(address);
		size_t ours = arena->huge ? ARENA_HEAD * SLICE + 1 : ARENA_SIZE;

		found = (size_t)((const char *)address - (const char *)arena) < ours &&
		        load_acquire(&arena_pool_at(address)->x_heap) == NULL; /* P1 */
	}
	reclaim_exit();
	return found;
}

/* All blocks of a new pool are free.  Bits behind the last block stay clear, so that they are never
 * taken. */
static void set_all_free(struct pool *pool)
{
	unsigned words = pool_words(pool), rest = pool->capacity % 64;

	for (unsigned word = 0; word < words; word++)
		store_relaxed(&pool->bits->x_free_map[word], ~(uint64_t)0);
	if (rest)
		store_relaxed(&pool->bits->x_free_map[words - 1], bit_run(0, rest));
	store_relaxed(&pool->x_free_count, pool->capacity);
	pool->hint = 0;
}

/* Copies line 0 to the descriptors of the other slices of a class pool, so that any block in them
 * leads to heap and class at once.  x_heap comes last in each: it publishes the others. */
static void copy_lead(struct pool *lead, unsigned slices)
{
	struct heap *heap = load_relaxed(&lead->x_heap);

	for (unsigned i = 1; i < slices; i++) {
		lead[i].lead = lead;
		lead[i].cls = lead->cls;
		lead[i].tag = lead->tag;
		store_release(&lead[i].x_heap, heap); /* P1 */
	}
}

/* A granule is whole pages, and a word has a bit for each.  A class pool is a power of two in size,
 * and so are pages. */
static uint8_t granule_shift_of(size_t span)
{
	return (uint8_t)lowest_bit(min_size(max_size(span / GRANULES, os_page_size()), span));
}

/* The table for the remote bits of a tag: see REMOTE_PLAIN in arena.h. */
static unsigned remote_kind(unsigned tag)
{
	if (BUG(one_remote_kind))
		return REMOTE_PLAIN;
	return tag < ARN_TAG_GC ? REMOTE_PLAIN : REMOTE_WALKED;
}

/* Writes the descriptor of a claimed run, which no other thread looks at before x_heap is set: that
 * store comes last, and publishes all of it (P1).  The blocks themselves are not touched, so a pool
 * costs no page before its blocks are used.  The remote bits are clear: the last pool here was
 * released without any. */
struct pool *pool_carve(const struct run *run, struct heap *heap, unsigned cls, unsigned tag,
                        size_t block_size)
{
	struct pool *pool = &run->arena->pool[run->first];
	bool large = cls == CLASS_LARGE;

	debug_check(large || !run->arena->huge);
	pool->lead = pool;
	pool->base = run_base(run);
	pool->bits = &run->arena->bits[run->first];
	store_relaxed(&pool->x_remote, run->arena->x_remote[remote_kind(tag)][run->first]);
	pool->block_size = large ? block_size : sizeclasses[cls].size;
	pool->inverse = large ? 0 : sizeclasses[cls].inverse;
	pool->capacity = large ? 1 : sizeclasses[cls].capacity;
	pool->cls = (uint8_t)cls;
	pool->tag = (uint8_t)tag;
	pool->reads_zero = run->clean == run->slices;
	pool->settled = false;
	pool->slices = (uint32_t)run->slices;
	pool->listed = false;
	pool->left = 0;
	pool->sampled = false;
	pool->counted = 0;
	pool->goal = 0;
	pool->bits->unswept = 0;
	store_relaxed(&pool->bits->x_clean, 0);
	pool->bits->in_sweep = false;
	pool->bits->granule_shift = large ? 63 : granule_shift_of(pool_span(pool));
	set_all_free(pool);
	if (unlikely(option(OPTION_CHECKS) >= 2) && !large)
		memset(pool->base, POOL_DEAD_BYTE, pool->capacity * pool->block_size);
	store_release(&pool->x_heap, heap); /* P1 */
	if (!large)
		copy_lead(pool, pool->slices);
	return pool;
}

/* Only the heap changes.  No block is out, so no thread frees to the pool; pool_look may find the
 * old heap or the new one. */
void pool_adopt(struct pool *pool, struct heap *heap)
{
	store_release(&pool->x_heap, heap); /* P1 */
	if (pool->cls != CLASS_LARGE)
		copy_lead(pool, pool->slices);
}

/* x_heap becomes NULL in all descriptors before the slices can have another pool, so that pool_look
 * finds nothing in them meanwhile. */
void pool_forget(struct pool *pool)
{
	unsigned heads = pool->cls == CLASS_LARGE ? 1 : pool->slices;

	debug_check(pool_is_empty(pool));
	for (unsigned i = 0; i < heads; i++)
		store_relaxed(&pool[i].x_heap, NULL);
}

/* The release of the slices orders the stores (A1). */
void pool_release(struct pool *pool, bool resident)
{
	size_t dirty = resident ? pool_without_tail(pool) / SLICE : 0;
	struct arena *arena = arena_at(pool);

	pool_forget(pool);
	supply_release(arena, (unsigned)(pool - arena->pool), pool->slices, dirty);
}

/* A whole word of free blocks, in descending order: one add for each. */
static void take_word(char *block, size_t size, void **slots)
{
	for (unsigned i = 64; i > 0; block += size)
		slots[--i] = block;
}

/* Takes from the lowest words first, so that the upper part of a pool stays free and its pages can
 * go.  The slots are filled from the end, so that the lowest block is on top. */
unsigned pool_take(struct pool *pool, void **slots, unsigned want)
{
	unsigned n = (unsigned)min_size(want, pool_free_count(pool)), left = n, word = pool->hint;
	_Atomic uint64_t *map = pool->bits->x_free_map;
	size_t size = pool->block_size;

	while (left > 0) {
		uint64_t free = load_relaxed(&map[word]);

		if (free == ~(uint64_t)0 && left >= 64) {
			left -= 64;
			take_word(pool->base + word * 64 * size, size, slots + left);
			free = 0;
		}
		for (; free && left > 0; free &= free - 1)
			slots[--left] = pool->base + (word * 64 + lowest_bit(free)) * size;
		store_relaxed(&map[word], free);
		word += free == 0;
	}
	pool->hint = (uint16_t)word;
	count_sub(&pool->x_free_count, n);
	return n;
}

bool pool_is_block(const struct pool *pool, const void *block)
{
	return pool_begins_at(pool, pool_index(pool, block), block);
}

/* Sets the free bits of blocks of one word.  A bit that is set already was freed twice. */
static void give_word(struct pool *pool, size_t word, uint64_t bits)
{
	uint64_t old = load_relaxed(&pool->bits->x_free_map[word]);

	if (unlikely(old & bits))
		panic_block("block freed twice",
		            pool->base + (word * 64 + lowest_bit(old & bits)) * pool->block_size,
		            NULL);
	store_relaxed(&pool->bits->x_free_map[word], old | bits);
	if (word < pool->hint)
		pool->hint = (uint16_t)word;
}

/* How many of n blocks, the first one counted, lie `step` bytes behind the one before. */
static inline unsigned count_steps(void *const *blocks, unsigned n, size_t step)
{
	void *const *at = blocks, *const *end = blocks + n;
	size_t next = (size_t)*at;

	do {
		at++;
		next += step;
	} while (at < end && (size_t)*at == next);
	return (unsigned)(at - blocks);
}

/* Gives those of n blocks that lie side by side, from the first one on, which has this index,
 * upwards or downwards.  A neighbour within the pool needs no further check.  Returns their number,
 * which is 1 if the second is no neighbour of the first. */
static noinline unsigned give_neighbours(struct pool *pool, void *const *blocks, unsigned n,
                                         size_t index)
{
	bool up = blocks[1] > blocks[0];
	size_t most = up ? pool->capacity - index : index + 1, end;

	n = count_steps(blocks, (unsigned)min_size(n, most),
	                up ? pool->block_size : 0 - pool->block_size);
	index -= up ? 0 : n - 1;
	for (end = index + n; index < end; index = (index | 63) + 1)
		give_word(pool, index / 64, bit_run(index % 64, end - index));
	return n;
}

/* Blocks that were taken together mostly return together, often in the order of their addresses or
 * in the opposite one.  To see that a block lies beside the one before takes a quarter of the
 * instructions that it takes to find its bit, so a run of neighbours is given as one.  Of others
 * the bits of one word are gathered before the word is written.  The first block that is in another
 * pool ends it; the caller goes on with that one. */
unsigned pool_give(struct pool *pool, void *const *blocks, unsigned n)
{
	size_t size = pool->block_size, span = pool->capacity * size, word = 0;
	void *const *last = blocks + n - 1, *const *at = blocks;
	uint32_t inverse = pool->inverse;
	char *base = pool->base;
	uint64_t bits = 0;

	for (; at <= last; at++) {
		size_t offset = (size_t)((char *)*at - base), step;
		size_t index = sizeclass_index(inverse, offset);
		uint64_t bit = (uint64_t)1 << index % 64;

		if (offset >= span)
			break;
		if (unlikely(index * size != offset))
			panic_block("freed pointer is not the start of a block", *at, NULL);
		step = at < last ? (size_t)at[1] - (size_t)at[0] : 0;
		if (step == size || step + size == 0) {
			at += give_neighbours(pool, at, (unsigned)(last + 1 - at), index) - 1;
			continue;
		}
		if (index / 64 != word) {
			if (bits)
				give_word(pool, word, bits);
			word = index / 64;
			bits = 0;
		}
		if (unlikely(bits & bit))
			panic_block("block freed twice", *at, NULL);
		bits |= bit;
	}
	if (bits)
		give_word(pool, word, bits);
	n = (unsigned)(at - blocks);
	count_add(&pool->x_free_count, n);
	return n;
}

/* Takes the bits that others have set out of a word, in one step: a bit that is set meanwhile is
 * either taken here or stays. */
static uint64_t take_word_of_bits(_Atomic uint64_t *x_word)
{
	uint64_t bits;

	if (!BUG(take_in_two_steps))
		return exchange_seq(x_word, 0); /* R1, R2 */
	bits = load_seq(x_word);
	arn_yield_point("pool_drain");
	store_seq(x_word, 0);
	return bits;
}

/* Words without bits are only read.  Each bit that is taken becomes a free bit of the same word;
 * one that is free already was freed twice, which ends the program. */
unsigned pool_drain(struct pool *pool)
{
	_Atomic uint64_t *x_remote = load_relaxed(&pool->x_remote);
	unsigned n = 0;

	for (unsigned word = 0, words = pool_words(pool); word < words; word++) {
		uint64_t bits, free;

		if (load_seq(&x_remote[word]) == 0) /* R1 */
			continue;
		arn_yield_point("pool_drain");
		bits = take_word_of_bits(&x_remote[word]);
		free = load_relaxed(&pool->bits->x_free_map[word]);
		if (unlikely(bits & free))
			panic_block("block freed twice, in pool", pool->base, NULL);
		store_relaxed(&pool->bits->x_free_map[word], free | bits);
		if (word < pool->hint)
			pool->hint = (uint16_t)word;
		n += count_bits(bits);
	}
	count_add(&pool->x_free_count, n);
	return n;
}

bool pool_is_free(const struct pool *pool, const void *block)
{
	uint32_t index = pool_index(pool, block);
	uint64_t map = load_relaxed(&pool->bits->x_free_map[index / 64]);

	map |= load_relaxed(load_relaxed(&pool->x_remote) + index / 64);
	return map >> index % 64 & 1;
}

bool pool_is_valid(const struct pool *pool)
{
	uint32_t free = 0;

	for (unsigned word = 0; word < pool_words(pool); word++) {
		uint64_t map = load_relaxed(&pool->bits->x_free_map[word]);

		free += count_bits(map);
		if (word < pool->hint && map != 0)
			return false;
	}
	return free == pool_free_count(pool) && free <= pool->capacity && pool->lead == pool &&
	       (pool->listed == (free != 0));
}
