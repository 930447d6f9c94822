/* SPDX-License-Identifier: MIT
 *
 * Frees a large block twice: its pool is gone by then, so all that is known of the place is that
 * nobody else makes blocks there.
 *
 * checks 0 1 2 3: not the start of a block, or freed twice
 */
#include "wrong.h"

int main(void)
{
	void *p = name(arn_mem_malloc(3 << 20));

	arn_mem_free(p);
	arn_mem_free(p);
	return 0;
}
