/* SPDX-License-Identifier: MIT
 *
 * Resizes an array on the stack.
 *
 * checks 0 1 2 3: pointer is not from Arenite
 * names: what is in no arena is left to the C library
 */
#include "wrong.h"

int main(void)
{
	char on_stack[64];
	char *p = arn_mem_realloc(name(on_stack), 100);

	arn_mem_free(p);
	return 0;
}
