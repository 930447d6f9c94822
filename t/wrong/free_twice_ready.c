/* SPDX-License-Identifier: MIT
 *
 * Frees a block twice that lies on top of a pool cache.  Without checks nobody looks there: it is
 * found when the cache gives its older half back to the pools.
 *
 * checks 0: block freed twice
 * checks 1 2 3: block freed twice
 */
#include "wrong.h"

enum { MANY = 3000 };

static void *block[MANY];

static void fill(void)
{
	for (int i = 0; i < MANY; i++)
		block[i] = arn_mem_malloc(100);
}

static void drop(int from)
{
	for (int i = from; i < MANY; i++)
		arn_mem_free(block[i]);
}

int main(void)
{
	/* until there is a cache */
	for (int round = 0; round < 20; round++) {
		fill();
		drop(0);
	}
	fill();
	arn_mem_free(name(block[0]));
	arn_mem_free(block[0]);
	drop(1);
	return 0;
}
