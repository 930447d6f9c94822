/* SPDX-License-Identifier: MIT
 *
 * Frees a block of a heap twice.
 *
 * checks 0 1 2 3: block freed twice
 */
#include "wrong.h"

int main(void)
{
	arn_heap *heap = arn_heap_new(ARN_TAG_GC);
	void *keep = arn_heap_malloc(heap, 64), *p = name(arn_heap_malloc(heap, 64));

	arn_free(p);
	arn_free(p);
	arn_free(keep);
	return 0;
}
