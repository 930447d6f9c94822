/* SPDX-License-Identifier: MIT */
#include "os/raw.h"

#include <malloc.h>
#include <stdlib.h>

/* One byte for none: zero bytes are to give a distinct pointer, and NULL would mean no memory. */
void *raw_malloc(size_t size)
{
	return malloc(size ? size : 1);
}

void *raw_calloc(size_t count, size_t size)
{
	return count && size ? calloc(count, size) : calloc(1, 1);
}

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
