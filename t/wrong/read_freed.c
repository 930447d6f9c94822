/* SPDX-License-Identifier: MIT
 *
 * Reads a buffer after its free: from level 2 on, what it finds is not what was there.
 *
 * checks 2 3: survives
 */
#include "wrong.h"

int main(void)
{
	unsigned char *keep = arn_mem_malloc(100), *p = name(arn_mem_malloc(100));

	memset(p, 7, 100);
	arn_mem_free(p);
	for (int i = 0; i < 100; i++)
		if (p[i] == 7)
			return 1;
	arn_mem_free(keep);
	return 0;
}
