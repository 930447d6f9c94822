/* SPDX-License-Identifier: MIT
 *
 * visit.c - the heap walk: pools in the order in which they were made, and in each pool the live
 * blocks, which are found by scanning its bitmap.  Free blocks are never touched.
 *
 * The bitmaps are exact only when the pool cache and the remote words are empty, so a walk first
 * sends their blocks home.  A walk therefore changes the heap, although arn_heap_visit takes a
 * const handle: pools may fall empty and leave, and an idle heap is trimmed.
 *
 * Callers     A thread that has stopped all users of the family (arenite.h), so plain fields may be
 *             read and written here.
 * Progress    wait-free in the number of pools and blocks, but for releases of empty pools.
 */
#include "heap/cache.h"
#include "heap/cell.h"
#include "heap/family.h"
#include "heap/trim-heap.h"
#include "heap/empty.h"
#include "heap/limbo.h"
#include "heap/remote.h"
#include "heap/wait.h"

struct walk {
	const arn_heap *handle;
	bool blocks;
	arn_visit_fn *visitor;
	void *arg;
	struct arn_area area;
};

/*
 * In a sparse pool a block is found AHEAD visits before it is visited, and is prefetched at that
 * moment.  That is late enough that the processor's cache still has it, and early enough that it
 * has arrived.  To prefetch all blocks of a word at once would make the first few visits wait.
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

/*
 * Find the next live block and prefetch its first two cache lines, where a visitor looks.  NULL:
 * there are no more.
 */
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

/*
 * Visit the live blocks of a pool that has gaps: `ahead` is a ring of the AHEAD blocks that come
 * next.  false: the visitor has ended the walk.
 */
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

/*
 * Visit live blocks that lie side by side.  There is no prefetch here, because the hardware sees by
 * itself what comes next, and prefetching here has cost up to 15 %.
 */
static bool visit_row(struct walk *walk, char *block, unsigned count)
{
	size_t size = walk->area.block_size;

	for (char *end = block + count * size; block < end; block += size)
		if (!walk->visitor(walk->handle, &walk->area, block, size, walk->arg))
			return false;
	return true;
}

/* Visit the live blocks of a pool that has few gaps, one run of set bits after the other. */
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

/* A pool is dense if at most one block in eight is free. */
static bool visit_blocks(struct walk *walk, const struct pool *pool)
{
	if (pool_free_count(pool) <= pool->capacity / 8)
		return visit_dense(walk, pool);
	return visit_sparse(walk, pool);
}

/*
 * The number of live blocks, without those that were left by an embedder's state that has ended:
 * the present state knows nothing of them.  Some of these may come home late, from a thread that
 * had gathered them.  The result is then less than there are, so visit_pool does not go by it.
 */
static size_t count_used(const struct pool *pool)
{
	size_t used = pool->capacity - pool_free_count(pool);

	return used - min_size(used, pool->left);
}

/*
 * Visit one pool: first the pool itself, with block NULL, then its blocks if the caller wants them
 * and there are any.  false: the visitor has ended the walk.
 */
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

/*
 * The same as cache_send_home, with two differences.  All pools of the family that wait for readers
 * are looked at, and not only a few.  And the cache of an orphan is flushed in the first walk only,
 * because no thread fills it between the walks of a collection.
 */
static void send_home(struct heap *heap)
{
	remote_drain(heap);
	if (!heap->cache_is_empty)
		cache_flush(heap);
	heap->cache_is_empty = load_relaxed(&heap->x_owner) == OWNER_NONE;
	if (heap->deferred)
		empty_poll_all(heap);
}

/*
 * Make the heap's bitmaps exact, and give back what an idle heap does not need.  The heap is marked
 * busy meanwhile: if another thread forks in the middle of this, the child strands the heap
 * (process.c) instead of trusting it.
 */
static void prepare(struct heap *heap)
{
	if (!BUG(unmarked_walk))
		heap_begin(heap);
	send_home(heap);
	heap_trim_if_idle(heap);
	heap_end(heap);
}

/*
 * Visit one heap.  Without a pool there is no block, neither in the cache nor anywhere else, and
 * the heap is not touched.  false: the visitor has ended the walk; what prepare did has been done.
 */
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
 * Send off the remote frees that threads have gathered.  Those of a collector's tags are never
 * gathered.  A family with a provider is an embedder's, and threads of the embedder's other
 * families may be running: their records must not be touched, so only the caller's own frees are
 * sent off.
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

/* Does the handle have a heap, and not one that a fork has left in an unknown state? */
static bool is_usable(const arn_heap *handle)
{
	return handle->heap && handle->heap != &heap_none &&
	       load_relaxed(&handle_heap(handle)->x_owner) != OWNER_STRANDED;
}

bool arn_heap_visit(const arn_heap *handle, bool blocks, arn_visit_fn *visitor, void *arg)
{
	struct walk walk = { handle, blocks, visitor, arg, { 0 } };

	if (!is_usable(handle))
		return true;
	gather_in(handle_heap(handle)->family, handle_heap(handle)->tag);
	return visit_heap(&walk, handle_heap(handle));
}

void arn_heap_trim_if_idle(arn_heap *handle)
{
	if (!is_usable(handle))
		return;
	heap_begin(handle_heap(handle));
	heap_trim_if_idle(handle_heap(handle));
	heap_end(handle_heap(handle));
}

/*
 * Will no walk find anything in this heap until a thread adopts it?  An orphan without a pool has
 * nothing, and a stranded heap is never used or walked again.
 */
static bool is_nothing_to_walk(const struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner);

	if (BUG(walk_all))
		return false;
	return owner == OWNER_STRANDED || (owner == OWNER_NONE && !heap->all_first);
}

/*
 * Take a heap out of the list of heaps to walk; `last` is the one before it, or NULL.  Only walkers
 * take heaps out, and the users of the family are stopped, so nobody pushes one meanwhile.
 */
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
 * Visit the heaps without an owner.  A burst of threads leaves thousands of heaps that soon have no
 * pool any more.  Each is dropped from the list when it is found so, and costs nothing in the walks
 * that follow; whoever adopts it puts it back (family.c).
 */
static bool visit_orphans(struct walk *walk, arn_family *family, unsigned tag)
{
	struct heap *last = NULL, *next;

	limbo_poll_all(family, false);
	cell_poll(family);
	for (struct heap *heap = load_acquire(&family->x_walked[tag]); heap; heap = next) { /* F2 */
		next = heap->walk_next;
		if (load_relaxed(&heap->x_owner) == OWNER_NONE)
			wait_hand_over(heap);
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

/* A block in a cell is an area of its own, as a large block is. */
static bool visit_cell(void *arg, void *block, size_t size)
{
	struct walk *walk = arg;

	walk->area = (struct arn_area){
		.blocks = block,
		.reserved = align_up(size, ALIGNMENT),
		.committed = align_up(size, ALIGNMENT),
		.used = 1,
		.block_size = size,
		.full_block_size = align_up(size, ALIGNMENT),
	};
	if (!walk->visitor(walk->handle, &walk->area, NULL, size, walk->arg))
		return false;
	return !walk->blocks || walk->visitor(walk->handle, &walk->area, block, size, walk->arg);
}

bool arn_family_visit_orphans(arn_family *family, enum arn_tag tag, bool blocks,
                              arn_visit_fn *visitor, void *arg)
{
	arn_heap stand_in = { &heap_none, family, tag };
	struct walk walk = { &stand_in, blocks, visitor, arg, { 0 } };

	if (!family)
		family = family_default();
	gather_in(family, tag);
	return visit_orphans(&walk, family, tag) && cell_visit(family, tag, visit_cell, &walk);
}
