/* SPDX-License-Identifier: MIT
 *
 * malloc, free and realloc of heaps: fast paths and their slow exits.
 */
#include "api/alloc.h"

#include "heap/cache.h"
#include "heap/family.h"
#include "heap/guard.h"
#include "heap/idle.h"
#include "heap/large.h"
#include "base/option.h"
#include "base/panic.h"
#include "api/process.h"
#include "api/trim.h"
#include "os/raw.h"
#include "heap/remote.h"
#include "heap/sweep.h"
#include "heap/tend.h"
#include "heap/thread.h"

#include <errno.h>
#include <string.h>

static inline void *pop(struct bin *bin)
{
	void **top = load_relaxed(&bin->x_top);

	if (unlikely(top == load_relaxed(&bin->x_base)))
		return NULL;
	store_relaxed(&bin->x_top, top - 1);
	return top[-1];
}

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

/* Is this handle's tag ours to serve?  Objects of the collector always are. */
static bool is_served(const arn_heap *handle)
{
	size_t domains = option(OPTION_DOMAINS);

	if (handle->tag == ARN_TAG_MEM)
		return domains & SERVE_MEM;
	return handle->tag != ARN_TAG_OBJECT || (domains & SERVE_OBJECT);
}

/* With checks on, who owns heaps says for how long: see guard_owner. */
static void note_owner(void)
{
	if (option(OPTION_CHECKS) > 0)
		store_relaxed(&thread_self()->x_number, owner_self());
}

static struct heap *adopt(arn_heap *handle)
{
	arn_family *family = handle->family ? handle->family : family_default();
	struct heap *heap = family_adopt(family, handle->tag);
	struct thread *thread = thread_peek();

	if (!heap)
		return NULL;
	heap->external = !(thread && handle >= thread->heap &&
	                   handle < thread->heap + array_length(thread->heap));
	handle->heap = heap;
	note_owner();
	return heap;
}

/*
 * The caller goes on with a handle that another thread has used.  That thread has passed it on, or
 * has ended.  In the child of a fork the heap may have been stranded: then the handle gets another
 * heap.
 */
static struct heap *take_over(arn_heap *handle)
{
	if (load_relaxed(&handle->heap->x_owner) == OWNER_STRANDED)
		return adopt(handle);
	guard_owner(handle);
	family_take_over(handle->heap);
	note_owner();
	return handle->heap;
}

/* The end of a slow path. */
static inline void end_slow_path(struct heap *heap)
{
	if (unlikely(load_relaxed(&heap->x_trim)))
		heap_trim(heap);
	sweep_enforce(heap);
	tend(heap);
	guard_heap(heap);
}

static inline void *make_block(struct heap *heap, size_t size)
{
	if (size <= SMALL_MAX)
		return cache_refill(heap, sizeclass_of(size));
	remote_drain(heap);
	return large_malloc(heap, size);
}

/* There was no memory, perhaps because of option LIMIT. */
static cold void *make_room_and_block(struct heap *heap, size_t size)
{
	return trim_for_limit(heap, size) ? make_block(heap, size) : NULL;
}

/* The handle has a heap; sizes that no bin could serve. */
static void *malloc_from(struct heap *heap, size_t size)
{
	void *block;

	heap_enter(heap);
	block = make_block(heap, size);
	if (unlikely(!block))
		block = make_room_and_block(heap, size);
	remote_flush();
	end_slow_path(heap);
	heap_exit(heap);
	return block ? block : no_memory();
}

void *malloc_slow(arn_heap *handle, size_t size)
{
	struct heap *heap = handle->heap;
	void *block;

	if (size > PTRDIFF_MAX)
		return no_memory();
	if (heap == &heap_none) {
		process_init();
		if (!is_served(handle))
			return raw_malloc(size);
		if (!(heap = adopt(handle)))
			return no_memory();
	} else if (unlikely(load_relaxed(&heap->x_owner) != owner_self()) &&
	           !(heap = take_over(handle))) { /* H2 */
		return no_memory();
	}
	if (size <= SMALL_MAX && (block = pop(heap_bin(heap, sizeclass_of(size)))) != NULL)
		return block;
	return malloc_from(heap, size);
}
EXPORT_PRIVATE(malloc_slow);

void *arn_heap_malloc(arn_heap *handle, size_t size)
{
	return heap_malloc(handle, size);
}

static void free_own(struct heap *heap, struct pool *pool, void *block)
{
	heap_enter(heap);
	if (pool->cls == CLASS_LARGE)
		cache_give_pool(heap, pool, block);
	else
		cache_overflow(heap, pool, block);
	end_slow_path(heap);
	heap_exit(heap);
}

static void free_foreign(void *block, const void *caller)
{
	if (!block)
		return;
	if (option(OPTION_DOMAINS) == (SERVE_MEM | SERVE_OBJECT))
		guard_live(NULL, block, caller);
	raw_free(block);
}

static bool is_own(const struct pool *pool)
{
	return load_relaxed(&load_relaxed(&pool->x_heap)->x_owner) == owner_self(); /* H2 */
}

void free_slow(void *block, const void *caller)
{
	struct pool *pool = pool_find(block);

	if (!pool) {
		free_foreign(block, caller);
		return;
	}
	if (option(OPTION_CHECKS) > 0 || pool->cls == CLASS_LARGE) {
		guard_live(pool, block, caller);
		guard_freed(pool, block);
	}
	if (is_own(pool))
		free_own(load_relaxed(&pool->x_heap), pool, block);
	else
		remote_free(pool, block, caller);
}
EXPORT_PRIVATE(free_slow);

void arn_free(void *block)
{
	heap_free(block);
}

bool arn_try_free(void *block)
{
	struct pool_view view;

	if (!pool_look(block, &view))
		return false;
	if (unlikely(!free_cached(block)))
		free_slow(block, caller_address());
	return true;
}

static bool product(size_t a, size_t b, size_t *result)
{
	return !__builtin_mul_overflow(a, b, result);
}

void *arn_heap_calloc(arn_heap *handle, size_t count, size_t size)
{
	size_t bytes;
	void *block;

	if (!product(count, size, &bytes))
		return no_memory();
	block = heap_malloc(handle, bytes);
	if (block &&
	    !(bytes > SMALL_MAX && registry_has(block) && arena_pool_at(block)->reads_zero))
		memset(block, 0, bytes);
	return block;
}

/*
 * Late readers may look at an object's first words in the new block: word by word, so that none is
 * torn.
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

static void copy(const arn_heap *handle, void *to, const void *from, size_t bytes)
{
	if (handle->tag == ARN_TAG_MEM)
		memcpy(to, from, bytes);
	else
		copy_object(to, from, bytes);
}

/* From one block to the other, both the caller's, without a copy.  false: the second is not to be
 * used. */
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

static void *move(arn_heap *handle, struct pool *pool, void *block, size_t size)
{
	size_t bytes = min_size(pool->block_size, size);
	void *moved = heap_malloc(handle, size);

	if (moved && is_own(pool) && large_may_move(pool, pool_find(moved))) {
		if (move_pages(handle, pool, pool_find(moved))) {
			heap_free(block);
			return moved;
		}
		heap_free(moved);
		moved = heap_malloc(handle, size);
	}
	if (!moved)
		return NULL;
	copy(handle, moved, block, bytes);
	heap_free(block);
	return moved;
}

/* What grows, or leaves a quarter unused, is not left as it is. */
static bool resize_large(struct pool *pool, size_t size)
{
	struct heap *heap = load_relaxed(&pool->x_heap);
	bool done;

	if (!is_own(pool) ||
	    (size <= pool->block_size && size >= pool->block_size - pool->block_size / 4))
		return false;
	heap_enter(heap);
	done = large_resize(heap, pool, size);
	end_slow_path(heap);
	heap_exit(heap);
	return done;
}

static void *realloc_foreign(void *block, size_t size, const void *caller)
{
	if (option(OPTION_DOMAINS) == (SERVE_MEM | SERVE_OBJECT))
		guard_live(NULL, block, caller);
	return raw_realloc(block, size);
}

/* A block that gets smaller needs no memory: when there is none it stays where it is, too large. */
static void *fit(arn_heap *handle, struct pool *pool, void *block, size_t size)
{
	size_t old_size = pool->block_size;
	int saved = errno;
	void *moved = move(handle, pool, block, size);

	if (moved || size > old_size)
		return moved;
	errno = saved;
	return block;
}

/* In place while at least half of the block is used; large blocks as large.h says. */
void *arn_heap_realloc(arn_heap *handle, void *block, size_t size)
{
	struct pool *pool;

	if (!block)
		return heap_malloc(handle, size);
	if (size > PTRDIFF_MAX)
		return no_memory();
	pool = pool_find(block);
	if (unlikely(!pool))
		return realloc_foreign(block, size, caller_address());
	if (unlikely(option(OPTION_CHECKS) > 0))
		guard_live(pool, block, caller_address());
	if (pool->cls == CLASS_LARGE && size > SMALL_MAX && resize_large(pool, size))
		return block;
	if (size <= pool->block_size && size >= pool->block_size / 2)
		return block;
	return fit(handle, pool, block, size);
}

size_t arn_usable_size(const void *block)
{
	struct pool_view view;

	return pool_look(block, &view) ? view.block_size : 0;
}

/* Heaps are never unmapped. */
const uintptr_t *arn_owner(const void *block)
{
	static const uintptr_t nobody;
	struct pool_view view;

	return pool_look(block, &view) ? (const uintptr_t *)&view.heap->x_thread : &nobody;
}

enum arn_tag arn_tag_of(const void *block)
{
	struct pool_view view;

	return pool_look(block, &view) ? (enum arn_tag)view.tag : ARN_TAGS;
}
