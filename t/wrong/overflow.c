/* SPDX-License-Identifier: MIT
 *
 * Writes one byte behind the end of a block, where another one may begin.
 *
 * checks 3: block was written to behind its end
 * checks 0 1 2: survives
 */
#include "wrong.h"

int main(void)
{
	char *p = name(arn_mem_malloc(99));

	p[99] = 1;
	arn_mem_free(p);
	return 0;
}
