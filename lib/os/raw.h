/* SPDX-License-Identifier: MIT
 *
 * raw.h - the system's allocator, without counting: arn_raw_* in domain.c counts.
 *
 * Any thread.  A size of 0 gives a block of its own, so that NULL always means that there is no
 * memory.
 */
#ifndef ARN_RAW_H
#define ARN_RAW_H

#include <stddef.h>

void *raw_malloc(size_t size);
void *raw_calloc(size_t count, size_t size);
void *raw_realloc(void *block, size_t size);
void raw_free(void *block);
/* Bytes of the block that may be used. */
size_t raw_usable(void *block);

#endif
