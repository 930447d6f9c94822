/* SPDX-License-Identifier: MIT
 *
 * resize.c - realloc: a block stays, grows in place, moves by its pages, or is copied to a new one.
 */
#include "api/alloc.h"

#include "api/guarded.h"
#include "api/alloc-metered.h"
#include "base/option.h"
#include "heap/cell.h"
#include "heap/family.h"
#include "heap/guard.h"
#include "heap/large.h"
#include "heap/sample.h"
#include "os/raw.h"

#include <errno.h>
#include <string.h>

/*
 * Copy an object.  Late readers of an object that was in the new block before may look at the first
 * words, so the first cache line is written word by word and no reader sees half a word.
 */
static void copy_object(void *to, const void *from, size_t bytes)
{
	_Atomic uint64_t *target = to;
	const uint64_t *source = from;
	size_t words = min_size(bytes, CACHE_LINE) / sizeof(*source);

	for (size_t i = 0; i < words; i++)
		store_relaxed(&target[i], source[i]);
	memcpy((char *)to + words * 8, (const char *)from + words * 8, bytes - words * 8);
}

/* MEM has no late readers: CPython delays those frees itself. */
static void copy(const arn_heap *handle, void *to, const void *from, size_t bytes)
{
	if (handle->tag == ARN_TAG_MEM)
		memcpy(to, from, bytes);
	else
		copy_object(to, from, bytes);
}

/*
 * Move the contents of one huge block to another by moving its pages; the calling thread owns the
 * heaps of both.  The first LARGE_KEPT bytes are copied and stay in the old block too, for its late
 * readers.  The caller then frees the old block, which ends behind these bytes from now on.  false:
 * the system refused; the old block is as it was, and the new one has no pages behind LARGE_KEPT
 * and must be freed without being used.  Both heaps are marked busy meanwhile.
 */
static bool move_pages(arn_heap *handle, struct pool *from, struct pool *to)
{
	struct heap *heap = load_relaxed(&from->x_heap), *other = load_relaxed(&to->x_heap);
	bool moved;

	copy(handle, to->base, from->base, LARGE_KEPT);
	heap_enter(heap);
	if (other != heap)
		heap_enter(other);
	moved = large_move(from, to);
	if (other != heap)
		heap_exit(other);
	heap_exit(heap);
	return moved;
}

/*
 * A new block with the contents of the old one, which is freed.  Two huge blocks exchange pages if
 * they may; if the system refuses that, another block is made and the bytes are copied.  The block
 * that has lost its pages is freed by its pool, since no address leads there any more (large.h).
 * NULL: there is no memory, and the old block is untouched.
 */
static void *move(arn_heap *handle, struct pool *pool, void *block, size_t size)
{
	size_t bytes = min_size(pool->block_size, size);
	void *moved = alloc_growing(handle, size);
	struct pool *to = moved ? pool_find(moved) : NULL;

	if (alloc_is_own(pool) && option(OPTION_CHECKS) < 3 && large_may_move(pool, to)) {
		if (move_pages(handle, pool, to)) {
			alloc_free_in(pool, block, NULL);
			return moved;
		}
		alloc_free_in(to, moved, NULL);
		moved = alloc_growing(handle, size);
	}
	if (!moved)
		return NULL;
	copy(handle, moved, block, bytes);
	heap_free(block);
	return moved;
}

/*
 * Resize a large block where it is.  That is tried when it has to grow, or when more than a quarter
 * of it would be unused, and only by the owner of its heap.  false: nothing was changed, and the
 * caller looks for another way.
 */
static bool resize_large(struct pool *pool, void *block, size_t size)
{
	struct heap *heap = load_relaxed(&pool->x_heap);
	size_t old_size = pool->block_size;
	bool done;

	if (!alloc_is_own(pool) ||
	    (size <= pool->block_size && size >= pool->block_size - pool->block_size / 4))
		return false;
	heap_enter(heap);
	done = large_resize(heap, pool, size);
	alloc_end(heap);
	if (done && unlikely(sample_is_metered(heap->face)))
		metered_resize(heap, pool, block, old_size, size);
	return done;
}

/* realloc of a block of the system's malloc: see free_foreign. */
static void *realloc_foreign(void *block, size_t size, const void *caller)
{
	alloc_check_foreign(block, caller);
	if (alloc_serves_all())
		guard_live(NULL, block, caller);
	return raw_realloc(block, size);
}

/*
 * Move the block to one that fits.  Making a block smaller must not fail for want of memory: if
 * there is none, the block stays where it is and is larger than needed, and errno is left as it
 * was.
 */
static void *fit(arn_heap *handle, struct pool *pool, void *block, size_t size)
{
	size_t old_size = pool->block_size;
	int saved = errno;
	void *moved = move(handle, pool, block, size);

	if (moved || guard_room(size) > old_size)
		return moved;
	errno = saved;
	guard_resized(pool, block, size);
	return block;
}

/* The block has, or gets, room for the new size where it is.  One in a cell (option GUARD), which
 * has a pool of its own, always moves, so that uses of the old address are found. */
static bool stays(struct pool *pool, void *block, size_t size)
{
	size_t room = guard_room(size);

	if (pool->cls == CLASS_LARGE && unlikely(cell_is(pool))) {
		guarded_check(pool, block);
		return false;
	}
	if (pool->cls == CLASS_LARGE && size > SLICE && resize_large(pool, block, room)) {
		guard_resized(pool, block, size);
		return true;
	}
	if (room > pool->block_size || room < pool->block_size / 2)
		return false;
	guard_resized(pool, block, size);
	if (unlikely(sample_is(pool)))
		metered_resize_small(block, size);
	return true;
}

/*
 * A block is left in place while the new size fits into it and uses at least half of it.  A large
 * block, and so one of more than a slice that realloc has made, may also grow and shrink in place,
 * or move by its pages (large.h).  Everything else is a new block, a copy and a free.  NULL with
 * errno ENOMEM: there is no memory, or the size is above PTRDIFF_MAX; the old block is untouched.
 */
void *arn_heap_realloc(arn_heap *handle, void *block, size_t size)
{
	struct pool *pool;

	if (!block)
		return heap_malloc(handle, size);
	if (size > PTRDIFF_MAX)
		return alloc_no_memory();
	pool = pool_find(block);
	if (unlikely(!pool))
		return realloc_foreign(block, size, caller_address());
	if (unlikely(option(OPTION_CHECKS) > 0))
		guard_live(pool, block, caller_address());
	return stays(pool, block, size) ? block : fit(handle, pool, block, size);
}
