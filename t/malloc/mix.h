/* SPDX-License-Identifier: MIT
 *
 * mix.h - work for threads that share blocks: of mixed sizes, by all the libc names, and freed by
 * whoever takes them out of a slot.
 */
#ifndef TEST_MIX_H
#define TEST_MIX_H

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SLOTS = 64 };

static _Atomic(void *) x_slot[SLOTS];

static inline unsigned next(unsigned *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	return *random;
}

/* A block of a size and by a name that are drawn by lot.  NULL: there was none, or it was not as it
 * has to be. */
static inline unsigned char *mix_block(unsigned *random)
{
	size_t size = next(random) % (next(random) % 100 ? 700 : 300000) + 1;
	unsigned char *block;

	switch (next(random) % 4) {
	case 0:
		block = calloc(1, size);
		if (block && (block[0] | block[size - 1]))
			return NULL;
		break;
	case 1:
		block = memalign((size_t)8 << next(random) % 10, size);
		break;
	case 2:
		block = realloc(malloc(size / 2 + 1), size);
		break;
	default:
		block = malloc(size);
	}
	if (!block || malloc_usable_size(block) < size)
		return NULL;
	block[0] = block[size - 1] = 1;
	return block;
}

/* false: a block was missing or wrong. */
static inline bool mix(unsigned *random, long rounds)
{
	bool right = true;

	while (rounds-- > 0) {
		unsigned char *block = mix_block(random);

		right &= block != NULL;
		free(atomic_exchange(&x_slot[next(random) % SLOTS], block));
	}
	return right;
}

#endif
