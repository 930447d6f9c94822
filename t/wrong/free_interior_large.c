/* SPDX-License-Identifier: MIT
 *
 * Frees a pointer into a large block.
 *
 * checks 0 1 2 3: pointer is not the start of a block
 */
#include "wrong.h"

int main(void)
{
	char *p = arn_mem_malloc(3 << 20);

	arn_mem_free(name(p + 4096));
	return 0;
}
