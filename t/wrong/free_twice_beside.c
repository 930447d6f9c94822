/* SPDX-License-Identifier: MIT
 *
 * Another thread frees two blocks that lie side by side, and the second one again.
 *
 * checks 0 1 2 3: block freed twice
 */
#include "wrong.h"

static void *free_three(void *block)
{
	void **pair = block;

	arn_mem_free(arn_mem_malloc(16)); /* its frees are gathered from now on */
	arn_mem_free(pair[0]);
	arn_mem_free(pair[1]);
	arn_mem_free(pair[1]);
	return NULL;
}

int main(void)
{
	static void *pair[2];

	pair[0] = arn_mem_malloc(100);
	pair[1] = name(arn_mem_malloc(100));
	elsewhere(free_three, pair);
	return 0;
}
