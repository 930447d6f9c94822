/* SPDX-License-Identifier: MIT
 *
 * Reads the first words of an object after its free, as lock-free readers do: they stay.
 *
 * checks 0 1 2 3: survives
 */
#include "wrong.h"

int main(void)
{
	unsigned char *keep = arn_obj_malloc(100), *p = name(arn_obj_malloc(100));

	memset(p, 7, 100);
	arn_obj_free(p);
	for (int i = 0; i < 56; i++)
		if (p[i] != 7)
			return 1;
	arn_obj_free(keep);
	return 0;
}
