/* SPDX-License-Identifier: MIT
 *
 * trim-heap.h - what a heap need not keep while its owner does not use it.
 */
#ifndef ARN_TRIM_HEAP_H
#define ARN_TRIM_HEAP_H

#include "heap/types.h"

/* Return all that this heap does not need: drain it, flush its cache, and purge the free pages of
 * its pools.  For the user of the heap (types.h).  Returns the bytes that went back to the
 * system. */
size_t heap_trim(struct heap *heap);
/* Trim the heap (heap_trim) if it is idle, or if a thread has asked for it (x_trim).  The users of
 * the family are stopped. */
void heap_trim_if_idle(struct heap *heap);

#endif
