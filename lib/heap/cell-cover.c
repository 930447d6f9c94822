/* SPDX-License-Identifier: MIT */
#include "heap/cell-cover.h"

#include "base/atomic.h"

/* How many live blocks there are of each caller.  A caller shares counters with others, but hardly
 * ever all of them. */
#define KEYS     4u
#define KEY_BITS 16u
static _Atomic uint16_t x_covered[1u << KEY_BITS];

static uint64_t hash_of(uint64_t caller)
{
	return hash_bytes((const char *)&caller, sizeof(caller));
}

/* The n-th counter of the caller with this hash of 64 bits, of which each counter takes its own. */
static _Atomic uint16_t *counter_of(uint64_t hash, unsigned n)
{
	return &x_covered[hash >> n * KEY_BITS & ((1u << KEY_BITS) - 1)];
}

void cell_cover(uint64_t caller)
{
	uint64_t hash = hash_of(caller);

	for (unsigned n = 0; n < KEYS; n++)
		add_relaxed(counter_of(hash, n), 1);
}

void cell_uncover(uint64_t caller)
{
	uint64_t hash = hash_of(caller);

	for (unsigned n = 0; n < KEYS; n++)
		sub_relaxed(counter_of(hash, n), 1);
}

bool cell_is_covered(uint64_t caller)
{
	uint64_t hash = hash_of(caller);

	for (unsigned n = 0; n < KEYS; n++)
		if (load_relaxed(counter_of(hash, n)) == 0)
			return false;
	return true;
}
