/* SPDX-License-Identifier: MIT
 *
 * Frees a number.
 *
 * checks 0 1 2 3: pointer is not from Arenite
 */
#include "wrong.h"

int main(void)
{
	arn_free(name((void *)(uintptr_t)8));
	return 0;
}
