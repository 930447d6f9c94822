/* SPDX-License-Identifier: MIT
 *
 * Frees a large block twice: its pool is gone by then, so nothing is known of the place.
 *
 * checks 0 1 2 3: pointer is not from Arenite
 */
#include "wrong.h"

int main(void)
{
	void *p = name(arn_mem_malloc(3 << 20));

	arn_mem_free(p);
	arn_mem_free(p);
	return 0;
}
