/* SPDX-License-Identifier: MIT
 *
 * idle.h - heaps that their owners do not use just now, and what they need not keep.
 */
#ifndef ARN_IDLE_H
#define ARN_IDLE_H

#include "heap/types.h"

/* ms */
#define HEAP_IDLE 500u

/* Send home and give back all that this heap does not need; bytes that went back to the system. */
size_t heap_trim(struct heap *heap);
/* Has the heap had no slow path for HEAP_IDLE ms?  The clock runs from the first look that found
 * this number of slow paths.  Any thread; of two that look first at the same time, one sets the
 * clock. */
bool heap_is_idle(struct heap *heap);
/* Its users are stopped: the same as heap_trim, if it is idle or somebody has asked for it. */
void heap_trim_if_idle(struct heap *heap);

#endif
