/* SPDX-License-Identifier: MIT
 *
 * Nothing wrong: the control.
 *
 * checks 0 1 2 3: survives
 */
#include "wrong.h"

int main(void)
{
	char *p = name(arn_mem_malloc(100));

	p = arn_mem_realloc(p, 5000);
	elsewhere(free_one, p);
	arn_obj_free(arn_obj_malloc(0));
	arn_free(NULL);
	return 0;
}
