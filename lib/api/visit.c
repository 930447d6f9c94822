/* SPDX-License-Identifier: MIT
 *
 * The heap walk: pools in the order in which they were made, blocks by scanning the bitmaps.  Free
 * blocks are never touched.
 *
 * What lies in the pool cache and in remote words is sent home first, so the bitmaps are exact.
 * All of it happens while the users of the family are stopped (arenite.h), so plain fields may be
 * read.
 */
#include "heap/cache.h"
#include "heap/family.h"
#include "heap/idle.h"
#include "heap/limbo.h"
#include "heap/remote.h"

struct walk {
	const arn_heap *handle;
	bool blocks;
	arn_visit_fn *visitor;
	void *arg;
	struct arn_area area;
};

/*
 * Blocks are found AHEAD visits before they are visited, and asked for then: late enough that the
 * cache still has them, early enough that they have come.  All at once, word by word, would stall
 * on the first few.
 */
#define AHEAD 16u

struct cursor {
	const struct pool *pool;
	unsigned word, words;
	uint64_t live; /* of this word, not found yet */
	char *base;    /* of this word's first block */
	size_t stride; /* from word to word */
};

static struct cursor cursor_at_start(const struct pool *pool)
{
	return (struct cursor){
		pool, 0, pool_words(pool), pool_taken(pool, 0), pool->base, 64 * pool->block_size
	};
}

/* The next live block, or NULL; its first two lines are on the way. */
static inline char *cursor_next(struct cursor *cursor, size_t block_size)
{
	char *block;

	while (unlikely(cursor->live == 0)) {
		if (++cursor->word >= cursor->words)
			return NULL;
		cursor->live = pool_taken(cursor->pool, cursor->word);
		cursor->base += cursor->stride;
	}
	block = cursor->base + lowest_bit(cursor->live) * block_size;
	cursor->live &= cursor->live - 1;
	__builtin_prefetch(block);
	__builtin_prefetch(block + CACHE_LINE);
	return block;
}

static bool visit_sparse(struct walk *walk, const struct pool *pool)
{
	struct cursor cursor = cursor_at_start(pool);
	size_t size = pool->block_size;
	char *ahead[AHEAD];
	unsigned at = 0;

	for (unsigned i = 0; i < AHEAD; i++)
		ahead[i] = cursor_next(&cursor, size);
	while (ahead[at]) {
		char *block = ahead[at];

		ahead[at] = cursor_next(&cursor, size);
		at = (at + 1) % AHEAD;
		if (!walk->visitor(walk->handle, &walk->area, block, size, walk->arg))
			return false;
	}
	return true;
}

/* Blocks in a row: the hardware sees what comes next. */
static bool visit_row(struct walk *walk, char *block, unsigned count)
{
	size_t size = walk->area.block_size;

	for (char *end = block + count * size; block < end; block += size)
		if (!walk->visitor(walk->handle, &walk->area, block, size, walk->arg))
			return false;
	return true;
}

static bool visit_dense(struct walk *walk, const struct pool *pool)
{
	size_t size = pool->block_size;

	for (unsigned word = 0; word < pool_words(pool); word++) {
		uint64_t live = pool_taken(pool, word);
		char *base = pool->base + (size_t)word * 64 * size;

		while (live) {
			unsigned first = lowest_bit(live);
			unsigned count = run_length(live, first);

			if (!visit_row(walk, base + first * size, count))
				return false;
			live &= ~bit_run(first, count);
		}
	}
	return true;
}

/* Dense: at most one block in eight is missing. */
static bool visit_blocks(struct walk *walk, const struct pool *pool)
{
	if (pool_free_count(pool) <= pool->capacity / 8)
		return visit_dense(walk, pool);
	return visit_sparse(walk, pool);
}

/*
 * Those of an ended state are no business of the present one.  Some of them may come home late,
 * from a thread that had gathered them: then this is less than there is, and blocks are looked for
 * all the same.
 */
static size_t count_used(const struct pool *pool)
{
	size_t used = pool->capacity - pool_free_count(pool);

	return used - min_size(used, pool->left);
}

static bool visit_pool(struct walk *walk, const struct pool *pool)
{
	walk->area = (struct arn_area){
		.blocks = pool->base,
		.reserved = pool_span(pool),
		.committed = pool_span(pool),
		.used = count_used(pool),
		.block_size = pool->block_size,
		.full_block_size = pool->block_size,
	};
	if (!walk->visitor(walk->handle, &walk->area, NULL, walk->area.block_size, walk->arg))
		return false;
	return !walk->blocks || pool_is_empty(pool) || visit_blocks(walk, pool);
}

/* As cache_send_home, with two differences: all waiting pools are asked, and the cache of an orphan
 * is flushed in the first walk only, since no thread fills it between the walks of a collection. */
static void send_home(struct heap *heap)
{
	remote_drain(heap);
	if (!heap->cache_is_empty)
		cache_flush(heap);
	heap->cache_is_empty = load_relaxed(&heap->x_owner) == OWNER_NONE;
	if (heap->deferred)
		limbo_poll_all(heap->family, false);
}

/* What the caches hold is sent home, so that the bitmaps are exact. */
static void prepare(struct heap *heap)
{
	if (!BUG(unmarked_walk))
		heap_begin(heap);
	send_home(heap);
	heap_trim_if_idle(heap);
	heap_end(heap);
}

/* Without a pool there is no block, in the cache or elsewhere. */
static bool visit_heap(struct walk *walk, struct heap *heap)
{
	if (!heap->all_first)
		return true;
	prepare(heap);
	for (const struct pool *pool = heap->all_first; pool; pool = pool->all_next)
		if (!visit_pool(walk, pool))
			return false;
	return true;
}

/*
 * Remote frees that threads have gathered; collectors' tags are never gathered.  A family with a
 * provider is an embedder's, whose other families may be running: their threads' records are not
 * ours to read.
 */
static void gather_in(const arn_family *family, unsigned tag)
{
	if (tag >= ARN_TAG_GC)
		return;
	if (family->provider)
		remote_flush();
	else
		remote_flush_all();
}

/* It has a heap, and not one that a fork has left in an unknown state. */
static bool is_usable(const arn_heap *handle)
{
	return handle->heap && handle->heap != &heap_none &&
	       load_relaxed(&handle->heap->x_owner) != OWNER_STRANDED;
}

bool arn_heap_visit(const arn_heap *handle, bool blocks, arn_visit_fn *visitor, void *arg)
{
	struct walk walk = { handle, blocks, visitor, arg, { 0 } };

	if (!is_usable(handle))
		return true;
	gather_in(handle->heap->family, handle->heap->tag);
	return visit_heap(&walk, handle->heap);
}

void arn_heap_trim_if_idle(arn_heap *handle)
{
	if (!is_usable(handle))
		return;
	heap_begin(handle->heap);
	heap_trim_if_idle(handle->heap);
	heap_end(handle->heap);
}

/* No walk will find anything in it until somebody adopts it, if anybody ever may. */
static bool is_nothing_to_walk(const struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner);

	if (BUG(walk_all))
		return false;
	return owner == OWNER_STRANDED || (owner == OWNER_NONE && !heap->all_first);
}

static void drop_from_walk(struct heap *last, struct heap *heap)
{
	if (last)
		last->walk_next = heap->walk_next;
	else
		store_relaxed(&heap->family->x_walked[heap->tag], heap->walk_next);
	if (!BUG(stay_unwalked))
		heap->in_walk = false;
}

/*
 * A burst of threads leaves thousands of heaps that soon have no pool any more.  Each is dropped
 * from the list when it is found so, and costs nothing in the walks that follow.
 */
static bool visit_orphans(struct walk *walk, arn_family *family, unsigned tag)
{
	struct heap *last = NULL, *next;

	limbo_poll_all(family, false);
	for (struct heap *heap = load_acquire(&family->x_walked[tag]); heap; heap = next) { /* F2 */
		next = heap->walk_next;
		if (is_nothing_to_walk(heap)) {
			drop_from_walk(last, heap);
			continue;
		}
		last = heap;
		if (load_relaxed(&heap->x_owner) == OWNER_NONE && !visit_heap(walk, heap))
			return false;
	}
	return true;
}

bool arn_family_visit_orphans(arn_family *family, enum arn_tag tag, bool blocks,
                              arn_visit_fn *visitor, void *arg)
{
	arn_heap stand_in = { &heap_none, family, tag };
	struct walk walk = { &stand_in, blocks, visitor, arg, { 0 } };

	if (!family)
		family = family_default();
	gather_in(family, tag);
	return visit_orphans(&walk, family, tag);
}
