/* SPDX-License-Identifier: MIT
 *
 * pool.h - blocks in and out of a pool's bitmap.  All of it is for the owner of the pool's heap.
 * The descriptor itself is in arena.h.
 */
#ifndef ARN_POOL_H
#define ARN_POOL_H

#include "arena/arena.h"

/*
 * The pool that a block lies in, or NULL if it is somebody else's.  For a block that the caller
 * holds: pool_look tells of any other address.
 */
static inline struct pool *pool_find(const void *address)
{
	struct pool *pool;

	if (!registry_has(address))
		return NULL;
	pool = arena_pool_at(address);
	return load_acquire(&pool->x_heap) ? pool->lead : NULL; /* P1 */
}

/* What stands at an address. */
struct pool_view {
	struct heap *heap;
	size_t block_size;
	unsigned tag;
};

/*
 * Any address: false if it is in no pool.  If it is in one, what is said is true of a pool that was
 * there during the call.  Wait-free.
 */
bool pool_look(const void *address, struct pool_view *view);

/* Make a pool of a claimed run.  block_size counts only for CLASS_LARGE. */
struct pool *pool_carve(const struct run *run, struct heap *heap, unsigned cls, unsigned tag,
                        size_t block_size);
/* An empty pool, in no list, serves another heap of the same tag, as it is. */
void pool_adopt(struct pool *pool, struct heap *heap);
/* Give an empty pool back to its arena; it is in no list.  resident: it may have pages. */
void pool_release(struct pool *pool, bool resident);

/* Up to `want` free blocks, in descending order of address into slots[]; how many. */
unsigned pool_take(struct pool *pool, void **slots, unsigned want);
/* Set the free bits of those of n blocks, from the first, that lie in this pool; how many.  Panics
 * on one that is free already or is not the start of a block. */
unsigned pool_give(struct pool *pool, void *const *blocks, unsigned n);
/* Take in what other threads have freed; how many blocks. */
unsigned pool_drain(struct pool *pool);

bool pool_is_block(const struct pool *pool, const void *block);
/* block is a block's start; its bit says free, here or in the remote word */
bool pool_is_free(const struct pool *pool, const void *block);
bool pool_is_valid(const struct pool *pool);

static inline uint32_t pool_index(const struct pool *pool, const void *block)
{
	return sizeclass_index(pool->inverse, (size_t)((const char *)block - pool->base));
}

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

static inline size_t pool_span(const struct pool *pool)
{
	return pool->slices * SLICE;
}

/* A block that has an arena of its own leaves the end of that untouched; elsewhere it is less than
 * a slice. */
static inline size_t pool_tail(const struct pool *pool)
{
	size_t used = align_up(pool->block_size, SLICE);

	if (pool->cls != CLASS_LARGE || !arena_at(pool)->huge)
		return 0;
	return pool_span(pool) - min_size(pool_span(pool), used);
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
