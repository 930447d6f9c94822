/* SPDX-License-Identifier: MIT
 *
 * idle.h - heaps that their owners do not use just now.
 */
#ifndef ARN_IDLE_H
#define ARN_IDLE_H

#include "heap/types.h"

/* How long a heap must be left alone to be idle, ms; and where more is kept than may be. */
#define HEAP_IDLE      500u
#define HEAP_IDLE_FULL 50u

/* Has the heap had no slow path for `least` ms, or a multiple of that where there are hundreds of
 * heaps?  The time runs from the first look that found the present number of slow paths.  Any
 * thread; of two that look first at the same time, one sets the clock. */
bool heap_is_idle(struct heap *heap, unsigned least);

#endif
