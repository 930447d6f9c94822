/* SPDX-License-Identifier: MIT
 *
 * Another thread frees a block, and then a pointer into the next one.
 *
 * checks 1 2 3: pointer is not the start of a block
 * checks 0: freed pointer is not the start of a block
 */
#include "wrong.h"

static void *free_both(void *block)
{
	void **pair = block;

	arn_mem_free(arn_mem_malloc(16)); /* its frees are gathered from now on */
	arn_mem_free(pair[0]);
	arn_mem_free(pair[1]);
	return NULL;
}

int main(void)
{
	static void *pair[2];

	pair[0] = arn_mem_malloc(100);
	pair[1] = name((char *)arn_mem_malloc(100) + 16);
	elsewhere(free_both, pair);
	return 0;
}
