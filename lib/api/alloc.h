/* SPDX-License-Identifier: MIT
 *
 * alloc.h - the fast paths of malloc and free.  They are inline, so that they are compiled into the
 * few functions that users call.
 *
 * malloc      takes the top pointer of the heap's bin for the size class.
 * free        finds the block's pool by its address and the heap in the pool's descriptor.  If the
 *             calling thread owns the heap, the block goes on top of the heap's bin.
 *
 * Whatever does not fit this, such as an empty or a full bin, a large block or a heap of another
 * thread, goes to malloc_slow or free_slow.  t/source/fastpath.sh looks at the machine code: on the
 * way to the first return there is no call, no lock prefix and no TLS resolver.
 *
 * Owner       heap_malloc: the thread that uses the handle.  The functions that free: any thread.
 */
#ifndef ARN_ALLOC_H
#define ARN_ALLOC_H

#include "heap/sample.h"

#include <errno.h>

#define caller_address() __builtin_return_address(0)

/*
 * What the fast paths cannot do: see the functions in alloc.c.  `caller` is the address that
 * free_slow reports when option CHECKS finds misuse.
 */
noinline void *malloc_slow(arn_heap *handle, size_t size) PRIVATE(malloc_slow);
noinline void free_slow(void *block, const void *caller) PRIVATE(free_slow);

static inline void *alloc_no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

/* A block that is in no pool is about to be taken for the system's: abort if it lies where only
 * Arenite makes blocks. */
void alloc_check_foreign(const void *block, const void *caller) PRIVATE(alloc_check_foreign);

/* In the place of an alignment: the block is to have a pool of its own. */
#define ALLOC_OWN_POOL ((size_t)0)

/* Is the block one of a size class?  A larger alignment than a slice needs a pool of its own, too.
 */
static inline bool alloc_has_class(size_t size, size_t alignment)
{
	return size <= SMALL_MAX && alignment - 1 < SLICE;
}

/*
 * The parts of the slow paths, for alloc-metered.c and resize.c.  alloc_from_handle: malloc without
 * a meter. alloc_from: the heap is the calling thread's.  alloc_take_over: the handle's heap
 * belongs to another thread, or to none, and becomes the calling thread's; NULL: there is no
 * memory. alloc_note_owner: the calling thread has become the owner of a heap.  alloc_growing: a
 * block that may grow, or should be known to read as zeros: above a slice it has a pool of its own,
 * though it has a class.  alloc_end: the end of a slow path of the heap's owner, which has called
 * heap_enter.  alloc_free_in: the slow path of free, for a block whose pool the caller knows.
 * alloc_serves_all: does Arenite serve all domains that may be left to the system's
 * malloc?
 */
void *alloc_from_handle(arn_heap *handle, size_t size, size_t alignment);
void *alloc_from(struct heap *heap, size_t size, size_t alignment);
struct heap *alloc_take_over(arn_heap *handle);
void alloc_note_owner(void);
void *alloc_growing(arn_heap *handle, size_t size);
void alloc_end(struct heap *heap);
void alloc_free_in(struct pool *pool, void *block, const void *caller);
bool alloc_serves_all(void);

/*
 * Does the calling thread own the pool's heap?  Others may change x_owner meanwhile, but no other
 * thread ever writes this thread's number to it.
 */
static inline bool alloc_is_own(const struct pool *pool)
{
	return load_relaxed(&load_relaxed(&pool->x_heap)->x_owner) == owner_self(); /* H2 */
}

/* The top block of the bin, or NULL if it is empty. */
static inline void *alloc_pop(struct bin *bin)
{
	void **top = load_relaxed(&bin->x_top);

	if (unlikely(top == load_relaxed(&bin->x_base)))
		return NULL;
	store_relaxed(&bin->x_top, top - 1);
	return top[-1];
}

/*
 * A block that begins at a multiple of the alignment, which is a power of two.  It is freed and
 * resized as any other; a block that realloc moves is aligned as all blocks are.  NULL: there is no
 * memory (errno is ENOMEM).
 */
void *malloc_aligned(arn_heap *handle, size_t size, size_t alignment);

/* The handle on the calling thread's stack through which it borrows a heap for one call, or NULL.
 */
extern __thread const arn_heap *borrowed_handle;

/* For libarenite-malloc: what arn_mem_* do, from the calling thread's heap of the libc names, and
 * the same for an aligned block.  names_malloc is the slow path of its malloc. */
void *names_malloc(size_t size) PRIVATE(names_malloc);
void *names_calloc(size_t count, size_t size) PRIVATE(names_calloc);
void *names_realloc(void *block, size_t size) PRIVATE(names_realloc);
void *names_aligned(size_t size, size_t alignment) PRIVATE(names_aligned);

/* A ready block from the bin of a heap that the calling thread owns, or of heap_none.  false: there
 * is none, or the size is above TABLE_MAX. */
static inline bool malloc_cached(struct heap *heap, size_t size, void **block)
{
	if (likely(size <= TABLE_MAX)) {
		struct bin *bin = heap_bin(heap, sizeclass_small(size));
		void **top = load_relaxed(&bin->x_top);

		if (likely(top != load_relaxed(&bin->x_base))) {
			store_relaxed(&bin->x_top, top - 1);
			*block = top[-1];
			return true;
		}
	}
	return false;
}

/*
 * A block of at least `size` bytes, or NULL with errno ENOMEM.  A handle that has no heap yet
 * points to heap_none, whose bins are all empty, so its first call takes the slow path.
 */
static inline void *heap_malloc(arn_heap *handle, size_t size)
{
	void *block;

	return likely(malloc_cached(handle->heap, size, &block)) ? block
	                                                         : malloc_slow(handle, size);
}

/*
 * heap_malloc for a handle that leads to a meter (heap/sample.h): the block is counted, and comes
 * from the bin of the heap itself.  If a sample is due or there is none ready, nothing is counted
 * yet.  heap_none and a heap without a meter have nothing left, so the slow path has them.
 */
static inline void *heap_malloc_counted(enum counting counting, arn_heap *handle, size_t size)
{
	size_t counted = sample_bytes(counting, size + 1);
	struct heap *face = handle->heap;
	void *block;

	if (likely(counted <= face->left && malloc_cached(sample_heap(face), size, &block))) {
		face->left -= BUG(uncounted) ? 0 : counted;
		return block;
	}
	return malloc_slow(handle, size);
}

/* Put a block of the pool on top of its bin.  The calling thread owns the heap.  false: the bin is
 * full or cannot take blocks of this class. */
static inline bool free_in_bin(struct heap *heap, const struct pool *pool, void *block)
{
	struct bin *bin = heap_bin(heap, pool->cls);
	void **top = load_relaxed(&bin->x_top);

	if (unlikely(top == bin->limit))
		return false;
	*top = block;
	store_relaxed(&bin->x_top, top + 1);
	return true;
}

/*
 * Free a block that lies in an arena (registry_has) into the bin of its heap.  false: nothing was
 * done, because the heap has another owner, or the bin is full or cannot take blocks of this class.
 * The caller then calls free_slow.
 */
static inline bool free_cached(void *block)
{
	struct pool *pool = arena_pool_at(block);
	struct heap *heap = load_relaxed(&pool->x_heap);

	if (unlikely(!heap || load_relaxed(&heap->x_owner) != owner_self())) /* H2 */
		return false;
	return free_in_bin(heap, pool, block);
}

/* The same for any address, NULL included.  false: the caller has to call free_slow. */
static inline bool free_fast(void *block)
{
	return likely(registry_has(block)) && free_cached(block);
}

/* Free any block, or NULL, from any thread. */
static inline void heap_free(void *block)
{
	if (unlikely(!free_fast(block)))
		free_slow(block, caller_address());
}

#endif
