/* SPDX-License-Identifier: MIT
 *
 * Another thread frees a block, then the owner does.
 *
 * checks 1 2 3: block freed twice
 */
#include "wrong.h"

int main(void)
{
	void *keep = arn_mem_malloc(100), *p = name(arn_mem_malloc(100));

	elsewhere(free_one, p);
	arn_mem_free(p);
	arn_mem_free(keep);
	return 0;
}
