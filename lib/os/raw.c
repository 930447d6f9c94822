/* SPDX-License-Identifier: MIT */
#include "os/raw.h"

#include <malloc.h>
#include <stdlib.h>

/* At least one byte: a request of zero bytes is to give a distinct pointer, and libc may return
 * NULL for it. */
void *raw_malloc(size_t size)
{
	return malloc(size ? size : 1);
}

void *raw_calloc(size_t count, size_t size)
{
	return count && size ? calloc(count, size) : calloc(1, 1);
}

/* realloc(block, 0) would free the block. */
void *raw_realloc(void *block, size_t size)
{
	return realloc(block, size ? size : 1);
}

void raw_free(void *block)
{
	free(block);
}

size_t raw_usable(void *block)
{
	return malloc_usable_size(block);
}
