/* SPDX-License-Identifier: MIT */
#include "arena/registry.h"

_Atomic uint8_t registry_bytes[(size_t)1 << (ADDRESS_BITS - ARENA_SHIFT)];
EXPORT_PRIVATE(registry_bytes);

static _Atomic(struct arena *) x_arenas[ARENAS_MAX];
static _Atomic unsigned x_count;

/* The first free entry at or above `from`.  ARENAS_MAX: there is none. */
static unsigned find_free(unsigned from)
{
	while (from < ARENAS_MAX && load_relaxed(&x_arenas[from]))
		from++;
	return from;
}

/* x_count never falls: entries that are empty again are reused, the lowest first. */
static void raise_count(unsigned count)
{
	unsigned old = load_relaxed(&x_count);

	while (old < count && !cas_release(&x_count, &old, count)) /* A2 */
		;
}

/* The byte for this address.  NULL: the address has none. */
static _Atomic uint8_t *byte_of(const struct arena *arena)
{
	uintptr_t index = (uintptr_t)arena >> ARENA_SHIFT;

	return index < array_length(registry_bytes) ? &registry_bytes[index] : NULL;
}

/* The byte is set first, because a thread that finds the arena in the table may at once hand out
 * blocks of it, which others free by their address.  Then the arena takes the first free entry;
 * when another thread was faster, the next one.  false: the table is full, and the byte is cleared
 * again. */
bool registry_add(struct arena *arena, unsigned *index)
{
	_Atomic uint8_t *byte = byte_of(arena);

	if (!byte)
		return false;
	store_release(byte, REGISTRY_HERE); /* G1 */
	for (unsigned i = find_free(0); i < ARENAS_MAX; i = find_free(i + 1)) {
		struct arena *expected = NULL;

		*index = i;
		if (!cas_acq_rel(&x_arenas[i], &expected, arena)) /* A2 */
			continue;
		raise_count(i + 1);
		return true;
	}
	store_relaxed(byte_of(arena), 0);
	return false;
}

/* Both stores are seq_cst (E2): after the barrier of the grace period that follows, a reader either
 * does not find the arena, or is found by the grace period.  The byte says RETIRED instead of 0, so
 * that statistics can find the address space. */
void registry_hide(const struct arena *arena, unsigned index)
{
	if (!BUG(hide_in_table_only))
		store_seq(byte_of(arena), REGISTRY_RETIRED); /* E2 */
	store_seq(&x_arenas[index], NULL);                   /* A2, E2 */
}

void registry_remove(const struct arena *arena)
{
	store_relaxed(byte_of(arena), 0);
}

bool registry_is_retired(const struct arena *arena)
{
	return load_relaxed(byte_of(arena)) == REGISTRY_RETIRED;
}

unsigned registry_count(void)
{
	return load_acquire(&x_count); /* A2 */
}

struct arena *registry_entry(unsigned index)
{
	return load_seq(&x_arenas[index]); /* A2, E2 */
}
