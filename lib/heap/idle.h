/* SPDX-License-Identifier: MIT
 *
 * idle.h - heaps that their owners do not use just now, and what such a heap need not keep.
 */
#ifndef ARN_IDLE_H
#define ARN_IDLE_H

#include "heap/types.h"

/* How long a heap must be left alone to be idle, ms. */
#define HEAP_IDLE 500u

/* Return all that this heap does not need: drain it, flush its cache, and purge the free pages of
 * its pools.  For the user of the heap (types.h).  Returns the bytes that went back to the
 * system. */
size_t heap_trim(struct heap *heap);
/* Has the heap had no slow path for HEAP_IDLE ms?  The time runs from the first look that found the
 * present number of slow paths.  Any thread; of two that look first at the same time, one sets the
 * clock. */
bool heap_is_idle(struct heap *heap);
/* Trim the heap (heap_trim) if it is idle, or if a thread has asked for it (x_trim).  The users of
 * the family are stopped. */
void heap_trim_if_idle(struct heap *heap);

#endif
