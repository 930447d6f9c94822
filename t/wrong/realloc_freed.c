/* SPDX-License-Identifier: MIT
 *
 * Resizes a block after its free.
 *
 * checks 0 1 2 3: block freed twice
 */
#include "wrong.h"

int main(void)
{
	void *keep = arn_mem_malloc(100), *p = name(arn_mem_malloc(100));

	arn_mem_free(p);
	p = arn_mem_realloc(p, 5000);
	arn_mem_free(keep);
	return 0;
}
