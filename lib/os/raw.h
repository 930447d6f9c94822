/* SPDX-License-Identifier: MIT
 *
 * raw.h - the system's allocator, uncounted.  arn_raw_* in domain.c counts.
 */
#ifndef ARN_RAW_H
#define ARN_RAW_H

#include <stddef.h>

void *raw_malloc(size_t size);
void *raw_calloc(size_t count, size_t size);
void *raw_realloc(void *block, size_t size);
void raw_free(void *block);
size_t raw_usable(void *block);

#endif
