/* SPDX-License-Identifier: MIT
 *
 * A thread allocates from a handle that belongs to another thread, which has neither passed it on
 * nor ended.
 *
 * checks 1 2 3: heap belongs to another thread, which has not passed it on
 */
#include "wrong.h"

static void *use(void *heap)
{
	return arn_heap_malloc(heap, 100);
}

int main(void)
{
	arn_heap *heap = name(arn_heap_new(ARN_TAG_MEM));

	use(heap);
	elsewhere(use, heap);
	return 0;
}
