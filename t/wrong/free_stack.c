/* SPDX-License-Identifier: MIT
 *
 * Frees an address on the stack.
 *
 * checks 0 1 2 3: pointer is not from Arenite
 * names: what is in no arena is left to the C library
 */
#include "wrong.h"

int main(void)
{
	int on_stack;

	arn_mem_free(name(&on_stack));
	return 0;
}
