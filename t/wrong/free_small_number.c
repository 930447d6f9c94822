/* SPDX-License-Identifier: MIT
 *
 * Frees a number.
 *
 * checks 0 1 2 3: pointer is not from Arenite
 * names: what is in no arena is left to the C library
 */
#include "wrong.h"

int main(void)
{
	arn_free(name((void *)(uintptr_t)8));
	return 0;
}
