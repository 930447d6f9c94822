/* SPDX-License-Identifier: MIT
 *
 * Uses all bytes that realloc has given, in place and elsewhere, and not one more.
 *
 * checks 0 1 2 3: survives
 */
#include "wrong.h"

int main(void)
{
	static const size_t sizes[] = { 1,      100,    90,       110,      5000,     4000, 70000,
		                        300000, 290000, 20000000, 40000000, 30000000, 100,  0 };
	char *p = NULL;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		p = arn_mem_realloc(p, sizes[i]);
		memset(p, 1, arn_usable_size(p));
		memset(p, 2, sizes[i]);
	}
	arn_mem_free(p);
	p = arn_mem_calloc(1000, 100);
	for (unsigned i = 0; i < 100000; i++)
		if (p[i] != 0)
			abort();
	arn_mem_free(p);
	return 0;
}
