/* SPDX-License-Identifier: MIT
 *
 * alloc.h - the fast paths of malloc and free, to be compiled into the few functions that users
 * call.
 *
 * t/source/fastpath.sh looks at the machine code: no call, no lock prefix, no TLS resolver on the
 * way to the first return.
 */
#ifndef ARN_ALLOC_H
#define ARN_ALLOC_H

#include "heap/types.h"

#define caller_address() __builtin_return_address(0)

/* everything else */
noinline void *malloc_slow(arn_heap *handle, size_t size) PRIVATE(malloc_slow);
noinline void free_slow(void *block, const void *caller) PRIVATE(free_slow);

static inline void *heap_malloc(arn_heap *handle, size_t size)
{
	struct heap *heap = handle->heap;

	if (likely(size <= TABLE_MAX)) {
		struct bin *bin = heap_bin(heap, sizeclass_small(size));
		void **top = load_relaxed(&bin->x_top);

		if (likely(top != load_relaxed(&bin->x_base))) {
			store_relaxed(&bin->x_top, top - 1);
			return top[-1];
		}
	}
	return malloc_slow(handle, size);
}

/* The registry has the block. */
static inline bool free_cached(void *block)
{
	struct pool *pool = arena_pool_at(block);
	struct heap *heap = load_relaxed(&pool->x_heap);
	struct bin *bin;
	void **top;

	if (unlikely(!heap || load_relaxed(&heap->x_owner) != owner_self())) /* H2 */
		return false;
	bin = heap_bin(heap, pool->cls);
	top = load_relaxed(&bin->x_top);
	if (unlikely(top == bin->limit))
		return false;
	*top = block;
	store_relaxed(&bin->x_top, top + 1);
	return true;
}

static inline bool free_fast(void *block)
{
	return likely(registry_has(block)) && free_cached(block);
}

static inline void heap_free(void *block)
{
	if (unlikely(!free_fast(block)))
		free_slow(block, caller_address());
}

#endif
