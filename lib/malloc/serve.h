/* SPDX-License-Identifier: MIT
 *
 * serve.h - whether the libc names are served, and the parts of malloc, free and memalign that are
 * compiled into the names: those of C (malloc.c, aligned.c) and those of C++ (operators.c).
 *
 * A block of these names is a block of MEM.  Each thread has a heap of its own for them, in a
 * family of its own (family_of_names): so they are counted apart from those of arn_mem_*, and share
 * arenas, retention and the limit with them. free goes by the address: what lies in no arena is the
 * C library's (below.h).
 *
 * Nothing here comes back to itself.  The first call of a process initializes it, which calls
 * pthread_key_create and pthread_atfork, and no malloc; the first call of a thread sets a key,
 * which may call calloc, and that finds the thread's record (thread.h).
 *
 * Owner       any thread, also before constructors, after exit handlers, in the child of a fork or
 *             vfork, and in the last destructors of a thread.  Not in signal handlers, as for
 *             malloc everywhere.
 * Progress    that of alloc.h.
 */
#ifndef ARN_SERVE_H
#define ARN_SERVE_H

#include "api/alloc.h"
#include "heap/thread.h"
#include "malloc/below.h"

#include <string.h>

/* The answer of process_serve_malloc; false as well before the first call. */
extern hidden bool serve_begun;

/* At level 3 of option CHECKS a block has as many bytes as were asked for, and not one more. */
extern hidden bool serve_exact;

/* Are the names served?  The first call asks, and the answer holds for ever. */
bool serve_begin(void);

/* The names are not served, it is not known yet, the thread has no heap for them, or there is no
 * ready block. */
noinline void *serve_malloc_slow(size_t size);
noinline void *serve_calloc_slow(size_t count, size_t size);
/* The block is NULL, the C library's, of another heap, or its bin is full.  `caller` is reported
 * when option CHECKS finds misuse. */
noinline void serve_free_slow(void *block, const void *caller);

/* NULL with errno ENOMEM: there is no memory.  A thread has a heap in thread_names only after a
 * call that found the names served. */
static inline void *serve_malloc(size_t size)
{
	void *block;

	return likely(malloc_cached(thread_names, size, &block)) ? block : serve_malloc_slow(size);
}

/* Small blocks are cleared here, the others where it is known whether they read as zeros. */
static inline void *serve_calloc(size_t count, size_t size)
{
	size_t bytes;
	void *block;

	if (likely(!__builtin_mul_overflow(count, size, &bytes)) &&
	    likely(malloc_cached(thread_names, bytes, &block)))
		return memset(block, 0, bytes);
	return serve_calloc_slow(count, size);
}

/* NULL is allowed.  Leaves errno alone.  The heap in thread_names is the thread's own, so there is
 * no need to look at its owner. */
static inline void serve_free(void *block)
{
	if (likely(registry_has(block))) {
		struct pool *pool = arena_pool_at(block);
		struct heap *heap = load_relaxed(&pool->x_heap);

		if (likely(heap == thread_names) && likely(free_in_bin(heap, pool, block)))
			return;
	}
	serve_free_slow(block, caller_address());
}

/* The alignment is a power of two.  NULL with errno ENOMEM: there is no memory. */
void *serve_aligned(size_t alignment, size_t size);

#endif
