/* SPDX-License-Identifier: MIT
 *
 * pool.h - blocks in and out of a pool's bitmap.  The descriptor itself is in arena.h.
 *
 * Owner       the user of the pool's heap calls all of these; pool_find and pool_look any thread.
 */
#ifndef ARN_POOL_H
#define ARN_POOL_H

#include "arena/arena.h"

/* The pool of an arena whose body begins at this address, ARENA_SIZE behind the head.  NULL: it
 * begins elsewhere. */
static inline struct pool *pool_at_body(const void *address)
{
	struct arena *arena = arena_at((const char *)address - ARENA_SIZE);
	struct pool *pool = &arena->pool[ARENA_HEAD];

	return address == arena_body(arena) && load_acquire(&pool->x_heap) ? pool : NULL; /* P1 */
}

/*
 * The pool that a block lies in, or NULL if it is not a block of Arenite.  For a block that the
 * caller holds; for any other address there is pool_look.
 */
static inline struct pool *pool_find(const void *address)
{
	struct pool *pool;

	if (unlikely(!registry_has(address)))
		return registry_has_body(address) ? pool_at_body(address) : NULL;
	pool = arena_pool_at(address);
	return load_acquire(&pool->x_heap) ? pool->lead : NULL; /* P1 */
}

/* What pool_look finds at an address. */
struct pool_view {
	struct heap *heap;
	size_t block_size;
	unsigned tag;
};

/*
 * For any address, from any thread.  true: the address was in a pool at some time during the call,
 * and *view is true of that pool.  false: it is in no pool.  Wait-free.
 */
bool pool_look(const void *address, struct pool_view *view);

/* For any address, from any thread: does it lie in an arena, but in no pool that pool_find would
 * find there?  Then nothing else than Arenite has made a block there.  Of a huge arena only the
 * head counts, and where its block begins: the pages behind may have moved to another arena.
 * Wait-free. */
bool pool_is_gap(const void *address);

/* What freed blocks are overwritten with at level 2 of option CHECKS. */
#define POOL_DEAD_BYTE 0xDD

/* Make a pool of a claimed run.  block_size, in bytes, counts for CLASS_LARGE only.  At level 2 of
 * option CHECKS the blocks of any other class are overwritten, as freed ones are. */
struct pool *pool_carve(const struct run *run, struct heap *heap, unsigned cls, unsigned tag,
                        size_t block_size);
/* Let an empty pool, which is in no list, serve another heap of the same tag as it is. */
void pool_adopt(struct pool *pool, struct heap *heap);
/* The slices of an empty pool, which is in no list, have no pool any more; they stay claimed. */
void pool_forget(struct pool *pool);
/* Release an empty pool, which is in no list, to its arena.  resident: it may have pages. */
void pool_release(struct pool *pool, bool resident);

/* Take up to `want` free blocks, in descending order of address, into slots[].  Returns their
 * number. */
unsigned pool_take(struct pool *pool, void **slots, unsigned want);
/* Set the free bits of those of n blocks, from the first one on, that lie in this pool.  Returns
 * their number.  Panics on a block that is free already, and on what is not the start of a
 * block. */
unsigned pool_give(struct pool *pool, void *const *blocks, unsigned n);
/* Move the remote bits to the free bitmap.  Returns the number of blocks. */
unsigned pool_drain(struct pool *pool);

/* Is this the start of a block of the pool?  Any thread that holds a block of it may ask. */
bool pool_is_block(const struct pool *pool, const void *block);
/* Is this block free, in the bitmap or in the remote word?  It is the start of a block. */
bool pool_is_free(const struct pool *pool, const void *block);
/* Do the bitmap, the count and the descriptor agree?  For option CHECKS and tests. */
bool pool_is_valid(const struct pool *pool);

/* The number of the block that the address lies in. */
static inline uint32_t pool_index(const struct pool *pool, const void *block)
{
	return sizeclass_index(pool->inverse, (size_t)((const char *)block - pool->base));
}

/* Does the block of this number begin here? */
static inline bool pool_begins_at(const struct pool *pool, uint32_t index, const void *block)
{
	return index < pool->capacity &&
	       (size_t)index * pool->block_size == (size_t)((const char *)block - pool->base);
}

/* Words of the bitmap that have bits for blocks. */
static inline unsigned pool_words(const struct pool *pool)
{
	return (pool->capacity + 63) / 64;
}

/* The blocks of this word that are not free: live, in the pool cache or in the remote word. */
static inline uint64_t pool_taken(const struct pool *pool, unsigned word)
{
	unsigned rest = pool->capacity - word * 64;

	return ~load_relaxed(&pool->bits->x_free_map[word]) & bit_run(0, rest < 64 ? rest : 64);
}

/* Bytes of the pool's slices. */
static inline size_t pool_span(const struct pool *pool)
{
	return pool->slices * SLICE;
}

/* Bytes at the end of a huge block's arena that the block has never touched, so that they have no
 * pages; for any other pool 0, because what is left there is less than a slice. */
static inline size_t pool_tail(const struct pool *pool)
{
	size_t used = align_up(pool->block_size, SLICE);

	if (pool->cls != CLASS_LARGE || !arena_at(pool)->huge)
		return 0;
	return pool_span(pool) - min_size(pool_span(pool), used);
}

/* Bytes of the pool's slices without the tail. */
static inline size_t pool_without_tail(const struct pool *pool)
{
	return pool_span(pool) - pool_tail(pool);
}

static inline uint32_t pool_free_count(const struct pool *pool)
{
	return load_relaxed(&pool->x_free_count);
}

static inline bool pool_is_empty(const struct pool *pool)
{
	return pool_free_count(pool) == pool->capacity;
}

#endif
