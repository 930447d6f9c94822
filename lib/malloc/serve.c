/* SPDX-License-Identifier: MIT */
#include "malloc/serve.h"

#include "api/process.h"

#include <arenite/arenite.h>
#include <stdio.h>

bool serve_begun, serve_exact;

/* Written by the first call, which comes before there are threads: at the latest from the
 * constructor below. */
static bool asked;

bool serve_begin(void)
{
	if (unlikely(!asked)) {
		serve_begun = process_serve_malloc(!below_is_there());
		serve_exact = process_checks() >= 3;
		asked = true;
	}
	return serve_begun;
}

void *serve_malloc_slow(size_t size)
{
	return serve_begin() ? names_malloc(size) : below_malloc(size);
}

void *serve_calloc_slow(size_t count, size_t size)
{
	return serve_begin() ? names_calloc(count, size) : below_calloc(count, size);
}

/* free_slow also takes a block of another heap of this thread, such as one that Python's mem domain
 * has made. */
void serve_free_slow(void *block, const void *caller)
{
	if (likely(pool_find(block) != NULL)) {
		free_slow(block, caller);
	} else if (block) {
		alloc_check_foreign(block, caller);
		below_free(block);
	}
}

void *serve_aligned(size_t alignment, size_t size)
{
	if (!serve_begin())
		return below_memalign(alignment, size);
	return alignment <= ALIGNMENT ? serve_malloc(size) : names_aligned(size, alignment);
}

/* ---- the statistics -------------------------------------------------------------------------- */

static void print(int fd)
{
	dprintf(fd, "  malloc: served; its blocks are those of the row (malloc), and among those "
	            "of mem\n");
}

static void print_json(int fd)
{
	dprintf(fd, "{\"served\": true}");
}

/* A program may use malloc long before this: see serve_begin. */
__attribute__((constructor)) static void start(void)
{
	static const struct arn_stats_part part = { "malloc", print, print_json };

	if (serve_begin())
		arn_stats_add(&part);
}
