/* SPDX-License-Identifier: MIT */
#include "purge.h"

#include "arena.h"
#include "os.h"
#include "reclaim.h"

static size_t purged(size_t bytes, int error)
{
	if (error)
		return 0;
	sub_relaxed(&arena_counters.x_retained, bytes);
	add_relaxed(&arena_counters.x_purges, 1);
	add_relaxed(&arena_counters.x_purged, bytes);
	return bytes;
}

/* A run of one word, claimed by us: its pages go back. */
static size_t purge_claimed(struct arena *arena, unsigned word, uint64_t mask)
{
	size_t bytes = count_bits(mask) * SLICE, done;
	char *base = (char *)arena + (word * 64 + lowest_bit(mask)) * SLICE;

	if ((load_relaxed(&arena->x_dirty[word]) & mask) != mask)
		return 0;
	done = purged(bytes, os_purge(base, bytes));
	if (done)
		and_relaxed(&arena->x_dirty[word], ~mask);
	return done;
}

/* Each run of resident free slices in a word: claimed, purged, released clean. */
static size_t purge_word(struct arena *arena, unsigned word)
{
	uint64_t candidates = load_relaxed(&arena->x_free[word]) & load_relaxed(&arena->x_dirty[word]);
	size_t done = 0;

	while (candidates) {
		unsigned first = lowest_bit(candidates);
		uint64_t rest = ~(candidates >> first);
		uint64_t mask = bit_run(first, rest ? min_size(lowest_bit(rest), 64 - first) : 64 - first);

		candidates &= ~mask;
		if (!arena_claim_word(arena, word, mask))
			continue;
		done += purge_claimed(arena, word, mask);
		or_release(&arena->x_free[word], mask); /* A1 */
	}
	return done;
}

static size_t purge_huge(struct arena *arena)
{
	unsigned unused = 0;
	size_t bytes = arena->size - ARENA_HEAD * SLICE, done = 0;

	if (!load_relaxed(&arena->x_huge_dirty) || !cas_acq_rel(&arena->x_huge_used, &unused, 1)) /* A1 */
		return 0;
	if (load_relaxed(&arena->x_huge_dirty)) {
		done = purged(bytes, os_purge((char *)arena + ARENA_HEAD * SLICE, bytes));
		store_relaxed(&arena->x_huge_dirty, done == 0);
	}
	store_release(&arena->x_huge_used, 0); /* A1 */
	return done;
}

static size_t purge_arena(struct arena *arena, size_t keep)
{
	size_t done = 0;

	if (arena->huge)
		return purge_huge(arena);
	for (unsigned word = 0; word < ARENA_WORDS && load_relaxed(&arena_counters.x_retained) > keep; word++)
		done += purge_word(arena, word);
	return done;
}

/* Newest first: old arenas are the dense ones. */
size_t purge_to(size_t keep)
{
	size_t done = 0;

	reclaim_enter();
	for (unsigned index = registry_count(); index-- > 0 && load_relaxed(&arena_counters.x_retained) > keep;) {
		struct arena *arena = registry_entry(index);

		if (arena)
			done += purge_arena(arena, keep);
	}
	reclaim_exit();
	return done;
}

static size_t unmap(struct arena *arena)
{
	size_t size = arena->size;
	size_t slices = arena->huge ? size / SLICE - ARENA_HEAD : ARENA_SLICES - ARENA_HEAD;

	arena_say("unmapped arena ", arena);
	registry_remove(arena);
	sub_relaxed(&arena_counters.x_claimed, slices * SLICE);
	sub_relaxed(&arena_counters.x_mapped, size);
	/* On failure it stays mapped and unused: at most address space is lost, for its pages are purged. */
	os_unmap(arena, size);
	return size;
}

#define TRIM_BATCH 64u

/* Up to a batch of arenas: out of the table, one grace period for all, then out of the process. */
static unsigned trim_batch(unsigned *index)
{
	struct arena *batch[TRIM_BATCH];
	unsigned n = 0, count = registry_count();

	reclaim_enter();
	for (; *index < count && n < TRIM_BATCH; ++*index) {
		struct arena *arena = registry_entry(*index);

		if (arena && arena_claim_whole(arena)) {
			registry_hide(*index);
			batch[n++] = arena;
		}
	}
	reclaim_exit();
	if (n)
		reclaim_wait();
	for (unsigned i = 0; i < n; i++)
		unmap(batch[i]);
	return n;
}

size_t purge_trim(void)
{
	size_t done = purge_to(0);
	unsigned index = 0;

	while (trim_batch(&index) == TRIM_BATCH)
		;
	return done;
}
