/* SPDX-License-Identifier: MIT
 *
 * trim.h - room for a request beyond option LIMIT.
 */
#ifndef ARN_TRIM_H
#define ARN_TRIM_H

#include "heap/types.h"

/* Option LIMIT: a request of this size was refused.  true: room was made of memory that no block is
 * in, by what arn_trim does.  The heap is the caller's, in a slow path. */
bool trim_for_limit(struct heap *heap, size_t size);

#endif
