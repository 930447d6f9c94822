/* SPDX-License-Identifier: MIT
 *
 * Frees an object twice, with another free between.
 *
 * checks 1 2 3: block freed twice
 */
#include "wrong.h"

int main(void)
{
	void *keep = arn_obj_malloc(48), *q = arn_obj_malloc(48), *p = name(arn_obj_malloc(48));

	arn_obj_free(p);
	arn_obj_free(q);
	arn_obj_free(p);
	arn_obj_free(keep);
	return 0;
}
