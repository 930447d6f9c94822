/* SPDX-License-Identifier: MIT */
#include "arena/purge.h"

#include "arena/arena.h"
#include "os/os.h"
#include "arena/reclaim.h"
#include "arena/retain.h"

/* Free slices have lost this many bytes of pages. */
static size_t count(size_t bytes)
{
	sub_relaxed(&arena_counters.x_retained, bytes);
	arena_count_purge(bytes);
	return bytes;
}

/* Gives back the pages of a run that the caller has claimed.  0: some of it was purged by another
 * thread before the claim, or the system has refused; then the slices stay dirty. */
static size_t purge_claimed(struct arena *arena, unsigned word, uint64_t mask)
{
	size_t bytes = count_bits(mask) * SLICE;

	if ((load_relaxed(&arena->x_dirty[word]) & mask) != mask)
		return 0;
	if (os_purge((char *)arena + (word * 64 + lowest_bit(mask)) * SLICE, bytes) != 0)
		return 0;
	and_relaxed(&arena->x_dirty[word], ~mask);
	return count(bytes);
}

/* Claims, purges and releases each run of resident free slices in a word.  While a run is claimed
 * no other thread can allocate it, and none waits for it.  A run that has changed before it could
 * be claimed is passed over.  Whatever came of the purge, the slices are free again afterwards;
 * whether they are dirty says x_dirty. */
static size_t purge_word(struct arena *arena, unsigned word)
{
	uint64_t candidates = load_relaxed(&arena->x_free_slices[word]) &
	                      load_relaxed(&arena->x_dirty[word]);
	size_t done = 0;

	while (candidates) {
		unsigned first = lowest_bit(candidates);
		uint64_t mask = bit_run(first, run_length(candidates, first));

		candidates &= ~mask;
		if (!arena_claim_word(arena, word, mask))
			continue;
		arn_yield_point("purge_word");
		done += purge_claimed(arena, word, mask);
		or_release(&arena->x_free_slices[word], mask); /* A1 */
	}
	return done;
}

/* The same for a free huge arena, which is claimed by its one word. */
static size_t purge_huge(struct arena *arena)
{
	unsigned unused = 0;
	size_t bytes, done = 0;

	if (!load_relaxed(&arena->x_huge_dirty) ||
	    !cas_acq_rel(&arena->x_huge_used, &unused, 1)) /* A1 */
		return 0;
	bytes = load_relaxed(&arena->x_huge_dirty) * SLICE;
	if (bytes && os_purge(arena_body(arena), bytes) == 0) {
		done = count(bytes);
		store_relaxed(&arena->x_huge_dirty, 0);
	}
	store_release(&arena->x_huge_used, 0); /* A1 */
	return done;
}

static size_t purge_arena(struct arena *arena, size_t keep)
{
	size_t done = 0;

	if (arena->huge)
		return purge_huge(arena);
	for (unsigned word = 0;
	     word < ARENA_WORDS && load_relaxed(&arena_counters.x_retained) > keep; word++)
		done += purge_word(arena, word);
	return done;
}

/* The newest arenas come first, because the old ones are the dense ones. */
size_t purge_to(size_t keep)
{
	size_t done = 0;

	reclaim_enter();
	for (unsigned index = registry_count();
	     index-- > 0 && load_relaxed(&arena_counters.x_retained) > keep;) {
		struct arena *arena = registry_entry(index);

		if (arena)
			done += purge_arena(arena, keep);
	}
	reclaim_exit();
	return done;
}

/* The last purge that had something to give back took nothing.  (The system takes no pages that are
 * locked.) */
static _Atomic bool x_in_vain;

/* Half of the base is given back beyond what is needed, so that the next releases need no system
 * call. */
void purge_excess(void)
{
	size_t keep;

	if (!retain_is_exceeded(0))
		return;
	keep = retain_for_slices() - retain_base() / 2;
	if (load_relaxed(&arena_counters.x_retained) > keep)
		store_relaxed(&x_in_vain, purge_to(keep) == 0);
}

void purge_excess_late(void)
{
	if (!load_relaxed(&x_in_vain))
		purge_excess();
}
