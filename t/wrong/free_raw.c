/* SPDX-License-Identifier: MIT
 *
 * Frees a block of the raw domain through another.
 *
 * checks 0 1 2 3: pointer is not from Arenite
 * names: the raw domain has the same blocks
 */
#include "wrong.h"

int main(void)
{
	arn_mem_free(name(arn_raw_malloc(64)));
	return 0;
}
