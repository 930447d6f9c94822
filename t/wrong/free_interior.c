/* SPDX-License-Identifier: MIT
 *
 * Frees a pointer into a block.
 *
 * checks 1 2 3: pointer is not the start of a block
 * checks 0: freed pointer is not the start of a block
 */
#include "wrong.h"

int main(void)
{
	char *p = arn_mem_malloc(100);

	arn_mem_free(name(p + 16));
	return 0;
}
