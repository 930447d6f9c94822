/* SPDX-License-Identifier: MIT
 *
 * Frees an address that no program can have.
 *
 * checks 0 1 2 3: pointer is not from Arenite
 * names: what is in no arena is left to the C library
 */
#include "wrong.h"

int main(void)
{
	arn_free(name((void *)(uintptr_t)0xdeadbeefdeadbee0u));
	return 0;
}
