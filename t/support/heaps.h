/* SPDX-License-Identifier: MIT
 *
 * heaps.h - the heaps of a family.
 */
#ifndef ARN_T_HEAPS_H
#define ARN_T_HEAPS_H

#include "heap/types.h"

static inline size_t count_heaps(const arn_family *family)
{
	size_t n = 0;

	for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next)
		n++;
	return n;
}

#endif
