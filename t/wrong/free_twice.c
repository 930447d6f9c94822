/* SPDX-License-Identifier: MIT
 *
 * Frees a block twice, one free after the other.
 *
 * checks 0 1 2 3: block freed twice
 */
#include "wrong.h"

int main(void)
{
	void *keep = arn_mem_malloc(100), *p = name(arn_mem_malloc(100));

	arn_mem_free(p);
	arn_mem_free(p);
	arn_mem_free(keep);
	return 0;
}
