/* SPDX-License-Identifier: MIT
 *
 * alloc-metered.h - malloc, realloc and free where option PROFILE is on: the slow paths of alloc.c
 * come here for heaps that have a meter, and for blocks that are samples (heap/sample.h).
 *
 * Owner       as the functions of alloc.c that call these.
 */
#ifndef ARN_METERED_H
#define ARN_METERED_H

#include "heap/types.h"

/* malloc for a handle that leads to a meter. */
void *metered_malloc(arn_heap *handle, size_t size, size_t alignment);
/* The block is a sample, and is freed as any other after this. */
void metered_free(struct pool *pool, void *block);
/* A large block of a heap with a meter was resized where it is. */
void metered_resize(struct heap *heap, struct pool *pool, void *block, size_t old_size,
                    size_t size);
/* A sample stays where it is, though another size was asked for. */
void metered_resize_small(const void *block, size_t size);

#endif
