/* SPDX-License-Identifier: MIT
 *
 * serve.h - whether the libc names are served, and the parts of malloc, free and memalign that are
 * compiled into the names: those of C (malloc.c, aligned.c) and those of C++ (operators.c).
 *
 * A block of these names is a block of MEM in the calling thread's heap, as those of arn_mem_*.
 * free goes by the address: what lies in no arena is the C library's (below.h).
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

/* The answer of process_serve_malloc; false as well before the first call. */
extern hidden bool serve_begun;

/* Are the names served?  The first call asks, and the answer holds for ever. */
bool serve_begin(void);

/* The names are not served, it is not known yet, or the thread has no record. */
void *serve_malloc_slow(size_t size);

/* NULL with errno ENOMEM: there is no memory. */
static inline void *serve_malloc(size_t size)
{
	struct thread *thread = likely(serve_begun) ? thread_peek() : NULL;

	if (unlikely(!thread))
		return serve_malloc_slow(size);
	return heap_malloc(&thread->heap[ARN_TAG_MEM], size);
}

/* NULL is allowed.  Leaves errno alone. */
static inline void serve_free(void *block)
{
	if (likely(registry_has(block))) {
		if (unlikely(!free_cached(block)))
			free_slow(block, caller_address());
	} else if (block) {
		below_free(block);
	}
}

/* The alignment is a power of two.  NULL with errno ENOMEM: there is no memory. */
void *serve_aligned(size_t alignment, size_t size);

#endif
