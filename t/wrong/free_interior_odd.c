/* SPDX-License-Identifier: MIT
 *
 * Frees a pointer into an object, not aligned to anything.
 *
 * checks 1 2 3: pointer is not the start of a block
 * checks 0: freed pointer is not the start of a block
 */
#include "wrong.h"

int main(void)
{
	char *p = arn_obj_malloc(40);

	arn_obj_free(name(p + 1));
	return 0;
}
