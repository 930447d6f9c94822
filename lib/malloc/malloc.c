/* SPDX-License-Identifier: MIT
 *
 * malloc.c - the libc names malloc, free, calloc, realloc, reallocarray and malloc_usable_size, by
 * glibc's rules.
 *
 * malloc(0)        a block of its own, which free takes
 * realloc(p, 0)    frees p; the result is NULL, and errno stays as it was
 * errno            ENOMEM with each NULL, but for that one; free leaves it alone
 */
#include "malloc/serve.h"

#include <arenite/arenite.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#define NAME __attribute__((visibility("default")))

NAME void *malloc(size_t size)
{
	return serve_malloc(size);
}

NAME void free(void *block)
{
	serve_free(block);
}

NAME void *calloc(size_t count, size_t size)
{
	return serve_calloc(count, size);
}

/* A block of the C library's stays with it. */
NAME void *realloc(void *block, size_t size)
{
	if (!block)
		return serve_malloc(size);
	if (unlikely(!pool_find(block))) {
		alloc_check_foreign(block, caller_address());
		return below_realloc(block, size);
	}
	if (unlikely(size == 0)) {
		serve_free(block);
		return NULL;
	}
	return names_realloc(block, size);
}

NAME void *reallocarray(void *block, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(block, bytes);
}

/* The caller holds the block, so its pool stays what it is: arn_usable_size has to do more, since
 * it takes any address. */
NAME size_t malloc_usable_size(void *block)
{
	struct pool *pool = pool_find(block);

	if (likely(pool != NULL))
		return unlikely(serve_exact) ? arn_usable_size(block) : pool->block_size;
	return block ? below_usable(block) : 0;
}
