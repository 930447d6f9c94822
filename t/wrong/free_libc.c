/* SPDX-License-Identifier: MIT
 *
 * Frees a block of libc.
 *
 * checks 0 1 2 3: pointer is not from Arenite
 * names: the C library has the same blocks
 */
#include "wrong.h"

int main(void)
{
	arn_obj_free(name(malloc(64)));
	return 0;
}
