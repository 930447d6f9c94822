/* SPDX-License-Identifier: MIT */
#include "arena/arena.h"

#include "base/option.h"
#include "base/text.h"
#include "arena/reclaim.h"

struct arena_counters arena_counters;

/* Clears the dirty bits of claimed slices, which are the caller's.  Returns how many were set.
 * Mostly none are, so the word is read before it is written. */
static size_t take_dirty(struct arena *arena, unsigned word, uint64_t mask)
{
	if ((load_relaxed(&arena->x_dirty[word]) & mask) == 0)
		return 0;
	return count_bits(and_relaxed(&arena->x_dirty[word], ~mask) & mask);
}

/* Dirty slices were counted as free and resident until now. */
void arena_count_claim(struct run *run, size_t dirty)
{
	run->clean = run->slices - dirty;
	add_relaxed(&arena_counters.x_claimed, run->slices * SLICE);
	if (dirty)
		sub_relaxed(&arena_counters.x_retained, dirty * SLICE);
}

/* Claims one slice, in each word a resident one first; with `resident` no other.  The bit is
 * cleared without looking at the rest of the word.  If it was clear already, another thread was
 * faster, and the search goes on with what the word is now.  false: there is no such slice. */
static bool claim_one(struct arena *arena, bool resident, struct run *run)
{
	for (unsigned word = 0; word < ARENA_WORDS; word++) {
		uint64_t free = load_relaxed(&arena->x_free_slices[word]);

		while (free) {
			uint64_t dirty = free & load_relaxed(&arena->x_dirty[word]);
			uint64_t bit = (uint64_t)1 << lowest_bit(dirty ? dirty : free);

			if (resident && !dirty)
				break;
			arn_yield_point("claim_one");
			free = and_acquire(&arena->x_free_slices[word], ~bit); /* A1 */
			if (BUG(claim_blindly))
				free |= bit;
			if (free & bit) {
				*run = (struct run){ arena, word * 64 + lowest_bit(bit), 1, 0, 0 };
				arena_count_claim(run, take_dirty(arena, word, bit));
				return true;
			}
		}
	}
	return false;
}

/* How many bits are set in a row from this one on, within its word. */
static unsigned count_set(const uint64_t *map, unsigned slice)
{
	return run_length(map[slice / 64], slice % 64);
}

/* How many are clear in a row from this one on, within its word. */
static unsigned count_clear(const uint64_t *map, unsigned slice)
{
	uint64_t bits = map[slice / 64] >> slice % 64;

	return bits ? lowest_bit(bits) : 64 - slice % 64;
}

/* The first run of n free slices in a copy of the bitmap, at or above `from`.  ARENA_SLICES: there
 * is none. */
static unsigned find_run(const uint64_t *map, unsigned from, unsigned n)
{
	unsigned first = from, slice = from;

	while (slice < ARENA_SLICES) {
		unsigned set = count_set(map, slice);

		slice += set;
		if (slice - first >= n)
			return first;
		if (set > 0 && slice % 64 == 0)
			continue; /* the run may go on in the next word */
		first = slice += count_clear(map, slice);
	}
	return ARENA_SLICES;
}

/* All bits of the mask are cleared by one compare-and-swap, or none.  It is repeated when other
 * bits of the word have changed. */
bool arena_claim_word(struct arena *arena, unsigned word, uint64_t mask)
{
	uint64_t free = load_relaxed(&arena->x_free_slices[word]);

	do {
		if ((free & mask) != mask)
			return false;
		arn_yield_point("claim_word");
	} while (!cas_acquire(&arena->x_free_slices[word], &free, free & ~mask)); /* A1 */
	return true;
}

/* The bits of the run [first, first + n) that are in this word. */
static uint64_t run_mask(unsigned word, unsigned first, unsigned n)
{
	unsigned low = word * 64, from = first > low ? first - low : 0;
	unsigned to = first + n < low + 64 ? first + n - low : 64;

	return bit_run(from, to - from);
}

/* Claims the run word by word.  If a slice of a later word is not free any more, the words that
 * were claimed are put back, and the caller may look for another run.  Until then other threads see
 * their slices as taken; they look elsewhere, and none waits.  Nothing else was touched, so the
 * slices are as clean or dirty as before. */
bool arena_claim_at(struct arena *arena, unsigned first, unsigned n, struct run *run)
{
	unsigned low = first / 64, high = (first + n - 1) / 64;
	size_t dirty = 0;

	for (unsigned word = low; word <= high; word++) {
		if (arena_claim_word(arena, word, run_mask(word, first, n)))
			continue;
		while (word-- > low)
			or_release(&arena->x_free_slices[word], run_mask(word, first, n)); /* A1 */
		return false;
	}
	for (unsigned word = low; word <= high; word++)
		dirty += take_dirty(arena, word, run_mask(word, first, n));
	*run = (struct run){ arena, first, n, 0, 0 };
	arena_count_claim(run, dirty);
	return true;
}

/* Looks for a run in a copy of the bitmap, and claims it in the bitmap itself.  When another thread
 * was faster, the search goes on one slice further: it ends at the end of the arena.  false: there
 * is no such run, or others have taken each of them. */
static bool claim_run(struct arena *arena, unsigned n, bool resident, struct run *run)
{
	uint64_t map[ARENA_WORDS];
	unsigned first = ARENA_HEAD;

	for (unsigned word = 0; word < ARENA_WORDS; word++)
		map[word] = load_relaxed(&arena->x_free_slices[word]) &
		            (resident ? load_relaxed(&arena->x_dirty[word]) : ~(uint64_t)0);
	while ((first = find_run(map, first, n)) < ARENA_SLICES) {
		if (arena_claim_at(arena, first, n, run))
			return true;
		first++; /* another thread was faster */
	}
	return false;
}

/* Does a huge arena fit: is it large enough, and at most about twice as large as asked? */
static bool has_room(const struct arena *arena, size_t slices)
{
	size_t room = arena_room(arena);

	return room >= slices && room / 2 <= slices;
}

/* Claims a huge arena as a whole.  Its size is looked at again once it is the caller's, because it
 * may have become smaller (large.c) before that: then it is put back, and does not fit.  The dirty
 * slices are the first ones. */
static bool claim_huge(struct arena *arena, size_t slices, struct run *run)
{
	unsigned unused = 0;
	size_t room;

	if (!has_room(arena, slices) || load_relaxed(&arena->x_huge_used))
		return false;
	if (!cas_acq_rel(&arena->x_huge_used, &unused, 1)) /* A1 */
		return false;
	if (!has_room(arena, slices)) {
		store_release(&arena->x_huge_used, 0); /* A1 */
		return false;
	}
	room = arena_room(arena);
	*run = (struct run){ arena, ARENA_HEAD, room, 0, 0 };
	arena_count_claim(run, min_size(room, load_relaxed(&arena->x_huge_dirty)));
	store_relaxed(&arena->x_huge_dirty, 0);
	return true;
}

/* A huge run needs a huge arena, which is claimed as a whole; a single slice is claimed by its bit,
 * and a longer run word by word.  false: this arena has no such run, or other threads were faster;
 * nothing was claimed then, and the caller tries the next arena. */
bool arena_claim_in(struct arena *arena, size_t slices, bool resident, struct run *run)
{
	if (arena->huge != (slices > LARGE_SLICES))
		return false;
	if (arena->huge)
		return claim_huge(arena, slices, run);
	return slices == 1 ? claim_one(arena, resident, run)
	                   : claim_run(arena, (unsigned)slices, resident, run);
}

void arena_free_from(struct arena *arena, unsigned first)
{
	for (unsigned word = first / 64; word < ARENA_WORDS; word++)
		or_release(&arena->x_free_slices[word],
		           run_mask(word, first, ARENA_END - first)); /* A1 */
}

void arena_say(const char *what, const struct arena *arena)
{
	struct text text = { 0 };

	if (option(OPTION_VERBOSE) < 2)
		return;
	text_add(&text, what);
	text_add_pointer(&text, arena);
	text_add(&text, ", ");
	text_add_number(&text, arena_size(arena) / MIB);
	text_add(&text, " MiB");
	log_line(&text);
}

/* The dirty bits and the sum come first, because a slice belongs to the thread that claims it from
 * the moment when its free bit is set. */
static void release_slices(struct arena *arena, unsigned first, unsigned n, unsigned dirty)
{
	unsigned low = first / 64, high = (first + n - 1) / 64;

	for (unsigned word = low; dirty && word <= (first + dirty - 1) / 64; word++)
		or_relaxed(&arena->x_dirty[word], run_mask(word, first, dirty));
	add_relaxed(&arena_counters.x_retained, dirty * SLICE);
	arn_yield_point("release_slices");
	for (unsigned word = low; word <= high; word++)
		or_release(&arena->x_free_slices[word], run_mask(word, first, n)); /* A1 */
	/* From here on any thread may retire the arena; the caller's section keeps it mapped. */
	arn_yield_point("released_slices");
}

static void release_huge(struct arena *arena, size_t dirty)
{
	store_relaxed(&arena->x_huge_dirty, dirty);
	add_relaxed(&arena_counters.x_retained, dirty * SLICE);
	store_release(&arena->x_huge_used, 0); /* A1 */
}

/* A look that may be out of date at once.  Whoever acts on it claims the arena first. */
bool arena_is_free(const struct arena *arena)
{
	if (arena->huge)
		return load_relaxed(&arena->x_huge_used) == 0;
	for (unsigned word = 0; word < ARENA_WORDS; word++)
		if (load_relaxed(&arena->x_free_slices[word]) !=
		    run_mask(word, ARENA_HEAD, ARENA_END - ARENA_HEAD))
			return false;
	return true;
}

void arena_release(struct arena *arena, unsigned first, size_t slices, size_t dirty)
{
	if (arena->huge)
		release_huge(arena, dirty);
	else
		release_slices(arena, first, (unsigned)slices, (unsigned)dirty);
	sub_relaxed(&arena_counters.x_claimed, slices * SLICE);
}

bool arena_claim_whole(struct arena *arena, struct run *run)
{
	if (arena->huge)
		return claim_huge(arena, arena_room(arena), run);
	return arena_claim_at(arena, ARENA_HEAD, ARENA_END - ARENA_HEAD, run);
}

/* Every slice is free or has a pool; those of pools in the making are neither. */
bool arena_is_valid(const struct arena *arena)
{
	unsigned free = 0, used = 0;

	if (arena->huge)
		return arena_room(arena) > 0;
	for (unsigned word = 0; word < ARENA_WORDS; word++)
		free += count_bits(load_relaxed(&arena->x_free_slices[word]));
	for (unsigned slice = ARENA_HEAD; slice < ARENA_END; slice++)
		used += load_relaxed(&arena->pool[slice].x_heap) != NULL;
	return free + used <= ARENA_END - ARENA_HEAD && arena_at(arena) == arena;
}

void arena_totals(struct arena_totals *totals)
{
	*totals = (struct arena_totals){ 0 };
	reclaim_enter();
	for (unsigned index = 0; index < registry_count(); index++)
		totals->arenas += registry_entry(index) != NULL;
	reclaim_exit();
	totals->mapped = load_relaxed(&arena_counters.x_mapped);
	totals->claimed = load_relaxed(&arena_counters.x_claimed);
	totals->retained = load_relaxed(&arena_counters.x_retained);
	totals->purges = load_relaxed(&arena_counters.x_purges);
	totals->purged = load_relaxed(&arena_counters.x_purged);
}
