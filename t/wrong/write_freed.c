/* SPDX-License-Identifier: MIT
 *
 * Writes to a block that it has freed.  It is seen when the block is handed out again.
 *
 * checks 2 3: block was written to after it was freed
 * checks 0 1: survives
 */
#include "wrong.h"

int main(void)
{
	char *p = name(arn_mem_malloc(100)), *beside = arn_mem_malloc(100);

	arn_mem_free(p);
	p[70] = 1;
	for (unsigned i = 0; i < 3; i++)
		arn_mem_malloc(100);
	return beside == NULL;
}
