/* SPDX-License-Identifier: MIT
 *
 * trim.h - makes room for a request that option LIMIT does not admit.
 */
#ifndef ARN_TRIM_H
#define ARN_TRIM_H

#include "heap/types.h"

/*
 * A request for `size` bytes has failed.  If option LIMIT is set and could admit it, give back
 * memory in which there is no block, in the way of arn_trim.  true: it is worth to try once more.
 * The heap is the calling thread's, which is in a slow path of it.
 */
bool trim_for_limit(struct heap *heap, size_t size);

#endif
