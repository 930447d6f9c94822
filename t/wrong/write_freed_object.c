/* SPDX-License-Identifier: MIT
 *
 * The same with an object, behind the words that late readers may look at.
 *
 * checks 2 3: block was written to after it was freed
 * checks 0 1: survives
 */
#include "wrong.h"

int main(void)
{
	char *p = name(arn_obj_malloc(200)), *beside = arn_obj_malloc(200);

	arn_obj_free(p);
	p[150] = 0;
	for (unsigned i = 0; i < 3; i++)
		arn_obj_malloc(200);
	return beside == NULL;
}
