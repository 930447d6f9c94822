/* SPDX-License-Identifier: MIT
 *
 * The same with a large block, which is seen when it is resized.
 *
 * checks 3: block was written to behind its end
 * checks 0 1 2: survives
 */
#include "wrong.h"

int main(void)
{
	char *p = name(arn_mem_malloc(300000));

	p[300000] = 1;
	arn_mem_free(arn_mem_realloc(p, 500000));
	return 0;
}
