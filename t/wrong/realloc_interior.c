/* SPDX-License-Identifier: MIT
 *
 * Resizes a pointer into a block.
 *
 * checks 1 2 3: pointer is not the start of a block
 * checks 0: freed pointer is not the start of a block
 */
#include "wrong.h"

int main(void)
{
	char *p = arn_obj_malloc(100);

	p = arn_obj_realloc(name(p + 48), 10);
	return 0;
}
