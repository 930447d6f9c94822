/* SPDX-License-Identifier: MIT */
#include "purge.h"

#include "arena.h"
#include "os.h"
#include "reclaim.h"
#include "retain.h"
#include "retire.h"

static size_t count(size_t bytes)
{
	add_relaxed(&arena_counters.x_purges, 1);
	add_relaxed(&arena_counters.x_purged, bytes);
	return bytes;
}

/* Lazily, if there is credit; which it was. */
static bool purge(char *base, size_t bytes, bool *lazily)
{
	*lazily = retain_expects(bytes) && os_purge_lazily(base, bytes) == 0;
	return *lazily || os_purge(base, bytes) == 0;
}

/* A run of dirty slices of one word, claimed by us. */
static size_t purge_dirty(struct arena *arena, unsigned word, uint64_t mask)
{
	size_t bytes = count_bits(mask) * SLICE;
	bool lazily;

	if ((load_relaxed(&arena->x_dirty[word]) & mask) != mask)
		return 0;
	if (!purge((char *)arena + (word * 64 + lowest_bit(mask)) * SLICE, bytes, &lazily))
		return 0;
	and_relaxed(&arena->x_dirty[word], ~mask);
	sub_relaxed(&arena_counters.x_retained, bytes);
	if (lazily) {
		or_relaxed(&arena->x_lazy[word], mask);
		add_relaxed(&arena_counters.x_lazy, bytes);
	}
	return count(bytes);
}

/* The same for slices that were purged lazily. */
static size_t purge_lazy(struct arena *arena, unsigned word, uint64_t mask)
{
	size_t bytes = count_bits(mask) * SLICE;

	if ((load_relaxed(&arena->x_lazy[word]) & mask) != mask)
		return 0;
	if (os_purge((char *)arena + (word * 64 + lowest_bit(mask)) * SLICE, bytes) != 0)
		return 0;
	and_relaxed(&arena->x_lazy[word], ~mask);
	sub_relaxed(&arena_counters.x_lazy, bytes);
	return count(bytes);
}

/* Each run of a word's candidates: claimed, purged, released. */
static size_t purge_word(struct arena *arena, unsigned word, uint64_t candidates,
                         size_t (*purge_run)(struct arena *, unsigned, uint64_t))
{
	size_t done = 0;

	candidates &= load_relaxed(&arena->x_free[word]);
	while (candidates) {
		unsigned first = lowest_bit(candidates);
		uint64_t rest = ~(candidates >> first);
		uint64_t mask = bit_run(first, rest ? min_size(lowest_bit(rest), 64 - first) : 64 - first);

		candidates &= ~mask;
		if (!arena_claim_word(arena, word, mask))
			continue;
		arn_yield_point("purge_word");
		done += purge_run(arena, word, mask);
		or_release(&arena->x_free[word], mask); /* A1 */
	}
	return done;
}

/* hard: not lazily, and what was purged lazily too */
static size_t purge_huge(struct arena *arena, bool hard)
{
	unsigned unused = 0, state = load_relaxed(&arena->x_huge_state);
	size_t bytes = arena->size - ARENA_HEAD * SLICE, done = 0;
	char *base = (char *)arena + ARENA_HEAD * SLICE;
	bool lazily = false;

	if (state == HUGE_CLEAN || (state == HUGE_LAZY && !hard))
		return 0;
	if (!cas_acq_rel(&arena->x_huge_used, &unused, 1)) /* A1 */
		return 0;
	state = load_relaxed(&arena->x_huge_state);
	if (state != HUGE_CLEAN && (hard ? os_purge(base, bytes) == 0 : purge(base, bytes, &lazily))) {
		done = count(bytes);
		sub_relaxed(state == HUGE_DIRTY ? &arena_counters.x_retained : &arena_counters.x_lazy, bytes);
		add_relaxed(&arena_counters.x_lazy, lazily ? bytes : 0);
		store_relaxed(&arena->x_huge_state, lazily ? HUGE_LAZY : HUGE_CLEAN);
	}
	store_release(&arena->x_huge_used, 0); /* A1 */
	return done;
}

static size_t purge_arena(struct arena *arena, size_t keep)
{
	size_t done = 0;

	if (arena->huge)
		return purge_huge(arena, false);
	for (unsigned word = 0; word < ARENA_WORDS && load_relaxed(&arena_counters.x_retained) > keep; word++)
		done += purge_word(arena, word, load_relaxed(&arena->x_dirty[word]), purge_dirty);
	return done;
}

static size_t purge_arena_lazy(struct arena *arena, size_t credit)
{
	size_t done = 0;

	if (arena->huge)
		return purge_huge(arena, true);
	for (unsigned word = 0; word < ARENA_WORDS && load_relaxed(&arena_counters.x_lazy) > credit; word++)
		done += purge_word(arena, word, load_relaxed(&arena->x_lazy[word]), purge_lazy);
	return done;
}

/* Newest first, old arenas are the dense ones; while the counter is above the bound. */
static size_t purge_arenas(_Atomic size_t *counter, size_t bound, size_t (*purge_one)(struct arena *, size_t))
{
	size_t done = 0;

	reclaim_enter();
	for (unsigned index = registry_count(); index-- > 0 && load_relaxed(counter) > bound;) {
		struct arena *arena = registry_entry(index);

		if (arena)
			done += purge_one(arena, bound);
	}
	reclaim_exit();
	return done;
}

size_t purge_to(size_t keep)
{
	size_t credit = retain_credit(), done = purge_arenas(&arena_counters.x_retained, keep, purge_arena);

	if (unlikely(load_relaxed(&arena_counters.x_lazy) > credit))
		done += purge_arenas(&arena_counters.x_lazy, credit, purge_arena_lazy);
	return done;
}

static void retire_free(void)
{
	reclaim_enter();
	for (unsigned index = 0; index < registry_count(); index++) {
		struct arena *arena = registry_entry(index);

		if (arena && arena_is_free(arena))
			retire_arena(arena);
	}
	reclaim_exit();
}

size_t purge_trim(void)
{
	size_t done;

	retain_forget();
	done = purge_to(0);
	retire_free();
	retire_all();
	return done;
}
