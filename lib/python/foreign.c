/* SPDX-License-Identifier: MIT */
#include "python/foreign.h"

#include "api/shortage.h"
#include "base/base.h"

static struct allocator next;
static __thread size_t spent; /* bytes that were not told yet */

static cold bool ask(void)
{
	size_t bytes = spent;

	spent = 0;
	return shortage_admits_foreign(bytes);
}

/* A request counts with its size, also if the allocator serves it from memory that it has. */
static inline bool is_admitted(size_t size)
{
	spent += size;
	return likely(spent < FOREIGN_STEP) || ask();
}

static void *counted_malloc(void *ctx, size_t size)
{
	return is_admitted(size) ? next.malloc(ctx, size) : NULL;
}

static void *counted_calloc(void *ctx, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return is_admitted(bytes) ? next.calloc(ctx, count, size) : NULL;
}

static void *counted_realloc(void *ctx, void *block, size_t size)
{
	return is_admitted(size) ? next.realloc(ctx, block, size) : NULL;
}

void foreign_count(struct allocator *below)
{
	if (!shortage_counts_foreign())
		return;
	next = *below;
	below->malloc = counted_malloc;
	below->calloc = counted_calloc;
	below->realloc = counted_realloc;
}
