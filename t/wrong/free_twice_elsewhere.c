/* SPDX-License-Identifier: MIT
 *
 * Another thread than the owner frees a block twice.
 *
 * checks 0 1 2 3: block freed twice
 */
#include "wrong.h"

static void *free_twice(void *block)
{
	arn_mem_free(block);
	arn_mem_free(block);
	return NULL;
}

int main(void)
{
	elsewhere(free_twice, name(arn_mem_malloc(100)));
	return 0;
}
