/* SPDX-License-Identifier: MIT
 *
 * The owner frees a block, then another thread does.
 *
 * checks 1 2 3: block freed twice
 */
#include "wrong.h"

int main(void)
{
	void *keep = arn_mem_malloc(100), *p = name(arn_mem_malloc(100));

	arn_mem_free(p);
	elsewhere(free_one, p);
	arn_mem_free(keep);
	return 0;
}
