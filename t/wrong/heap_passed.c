/* SPDX-License-Identifier: MIT
 *
 * Nothing wrong: a handle goes from thread to thread, passed on by one that lives and left behind
 * by one that ends.
 *
 * checks 0 1 2 3: survives
 */
#include "wrong.h"

static void *use(void *heap)
{
	arn_free(arn_heap_malloc(heap, 100));
	return NULL;
}

int main(void)
{
	arn_heap *heap = name(arn_heap_new(ARN_TAG_MEM));

	use(heap);
	arn_heap_pass(heap);
	elsewhere(use, heap);
	elsewhere(use, heap);
	use(heap);
	arn_heap_delete(heap);
	return 0;
}
