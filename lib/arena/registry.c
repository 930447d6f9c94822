/* SPDX-License-Identifier: MIT */
#include "arena/registry.h"

_Atomic uint8_t registry_bytes[(size_t)1 << (ADDRESS_BITS - ARENA_SHIFT)];
EXPORT_PRIVATE(registry_bytes);

static _Atomic(struct arena *) x_arenas[ARENAS_MAX];
static _Atomic unsigned x_count;

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

/* Puts the arena into this entry, unless there is one already. */
static bool take_entry(unsigned i, struct arena *arena, unsigned *index)
{
	struct arena *expected = NULL;

	*index = i;
	if (!cas_seq(&x_arenas[i], &expected, arena)) /* A2, A3 */
		return false;
	raise_count(i + 1);
	return true;
}

/* The entry was taken, or is the caller's now.  If it is empty again meanwhile, because its arena
 * has left, the number of before would have been right. */
static void note_taken(unsigned i)
{
	summary_lower(SUMMARY_VACANT, i, 1, 0);
	if (!load_seq(&x_arenas[i])) /* A3 */
		summary_raise(SUMMARY_VACANT, i, 1);
}

/* An entry that has become empty again. */
static bool take_vacant(struct arena *arena, unsigned *index)
{
	bool taken = false;

	for (unsigned i = summary_find(SUMMARY_VACANT, 0, 1, 1); i < ARENAS_MAX && !taken;
	     i = summary_find(SUMMARY_VACANT, i + 1, 1, 1)) {
		taken = take_entry(i, arena, index);
		note_taken(i);
	}
	return taken;
}

/* The first entry that never was used; when another thread was faster, the next one. */
static bool take_new(struct arena *arena, unsigned *index)
{
	for (unsigned i = load_relaxed(&x_count); i < ARENAS_MAX; i++)
		if (take_entry(i, arena, index))
			return true;
	return false;
}

/* The byte is set first, because a thread that finds the arena in the table may at once hand out
 * blocks of it, which others free by their address.  false: the table is full, and the byte is
 * cleared again. */
bool registry_add(struct arena *arena, unsigned *index)
{
	_Atomic uint8_t *byte = byte_of(arena);

	if (!byte)
		return false;
	store_release(byte, REGISTRY_HERE); /* G1 */
	if (take_vacant(arena, index) || take_new(arena, index))
		return true;
	store_relaxed(byte, 0);
	return false;
}

/* The byte behind that of the arena. */
static _Atomic uint8_t *byte_of_body(const struct arena *arena)
{
	return byte_of((const struct arena *)((const char *)arena + ARENA_SIZE));
}

bool registry_add_body(const struct arena *arena)
{
	_Atomic uint8_t *byte = byte_of_body(arena);

	if (byte)
		store_release(byte, REGISTRY_BODY); /* G1 */
	return byte != NULL;
}

void registry_hide_body(const struct arena *arena)
{
	if (!BUG(body_stays))
		store_seq(byte_of_body(arena), 0); /* E2 */
}

/* Both stores are seq_cst (E2): after the barrier of the grace period that follows, a reader either
 * does not find the arena, or is found by the grace period.  The byte says RETIRED instead of 0, so
 * that statistics can find the address space.  The entry is vacant last, when nothing tells of its
 * arena any more. */
void registry_hide(const struct arena *arena, unsigned index)
{
	if (!BUG(hide_in_table_only))
		store_seq(byte_of(arena), REGISTRY_RETIRED); /* E2 */
	store_seq(&x_arenas[index], NULL);                   /* A2, A3, E2 */
	summary_clear(index);
	summary_raise(SUMMARY_VACANT, index, 1);
}

void registry_cut(const struct arena *arena)
{
	if (!BUG(cut_unmarked))
		store_release(byte_of(arena), REGISTRY_CUT); /* G2 */
}

void registry_mend(const struct arena *arena)
{
	store_release(byte_of(arena), REGISTRY_HERE); /* G1 */
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

bool registry_is_full(void)
{
	return registry_count() == ARENAS_MAX &&
	       summary_find(SUMMARY_VACANT, 0, 1, 1) == ARENAS_MAX;
}
