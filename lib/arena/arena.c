/* SPDX-License-Identifier: MIT */
#include "arena/arena.h"

#include "base/option.h"
#include "base/text.h"

__thread unsigned arena_races;
static _Atomic size_t x_free_arenas; /* arenas with x_counted set */

/* Clears the dirty bits of claimed slices, which are the caller's.  Returns how many were set.
 * Mostly none are, so the word is read before it is written. */
static size_t take_dirty(struct arena *arena, unsigned word, uint64_t mask)
{
	if ((load_relaxed(&arena->x_dirty[word]) & mask) == 0)
		return 0;
	return count_bits(and_relaxed(&arena->x_dirty[word], ~mask) & mask);
}

/* The bits of the run [first, first + n) that are in this word. */
static uint64_t run_mask(unsigned word, unsigned first, unsigned n)
{
	unsigned low = word * 64, from = first > low ? first - low : 0;
	unsigned to = first + n < low + 64 ? first + n - low : 64;

	return bit_run(from, to - from);
}

/* A look that may be out of date at once.  Whoever acts on it claims the arena first.  Mostly the
 * first word tells that it is not free. */
bool arena_is_free(const struct arena *arena)
{
	uint64_t rest = ~(uint64_t)0;

	if (arena->huge)
		return load_relaxed(&arena->x_huge_used) == 0;
	if (load_seq(&arena->x_free_slices[0]) != ~bit_run(0, ARENA_HEAD)) /* A4 */
		return false;
	for (unsigned word = 1; word < ARENA_WORDS - 1; word++)
		rest &= load_seq(&arena->x_free_slices[word]);                   /* A4 */
	return ~rest == 0 && load_seq(&arena->x_free_slices[ARENA_WORDS - 1]) == /* A4 */
	                             ~bit_run(64 - ARENA_GUARD, ARENA_GUARD);
}

/* Counts the arena among the free ones, or does not, until that is as it should be: after each
 * change it is looked at again. */
static void recount(struct arena *arena, bool is_free)
{
	while (load_seq(&arena->x_counted) != is_free) { /* A4 */
		arn_yield_point("arena_recount");
		if (exchange_seq(&arena->x_counted, is_free) != is_free) /* A4 */
			add_relaxed(&x_free_arenas, is_free ? 1 : (size_t)-1);
		if (BUG(count_once))
			return;
		is_free = arena_is_free(arena);
	}
}

bool arena_note_free(struct arena *arena)
{
	if (!arena_is_free(arena))
		return false;
	recount(arena, true);
	return true;
}

void arena_set_free_count(size_t count)
{
	store_relaxed(&x_free_arenas, count);
}

size_t arena_free_count(void)
{
	return load_relaxed(&x_free_arenas);
}

/* Dirty slices were counted as free and resident until now. */
void arena_count_claim(struct run *run, size_t dirty)
{
	run->clean = run->slices - dirty;
	if (unlikely(load_seq(&run->arena->x_counted))) /* A4 */
		recount(run->arena, false);
	tally_add(&arena_counters.x_claimed, run->slices * SLICE);
	if (dirty)
		tally_sub(&arena_counters.x_retained, dirty * SLICE);
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
			free = and_seq(&arena->x_free_slices[word], ~bit); /* A1, A4 */
			if (BUG(claim_blindly))
				free |= bit;
			if (likely(free & bit)) {
				*run = (struct run){ arena, word * 64 + lowest_bit(bit), 1, 0, 0 };
				arena_count_claim(run, take_dirty(arena, word, bit));
				return true;
			}
			arena_races++;
		}
	}
	return false;
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
	} while (!cas_seq(&arena->x_free_slices[word], &free, free & ~mask)); /* A1, A4 */
	return true;
}

/* Another thread may have found the arena without these slices meanwhile, and have lowered its
 * numbers, or have counted it as not free. */
void arena_return_word(struct arena *arena, unsigned word, uint64_t mask)
{
	unsigned index = arena->index;

	or_seq(&arena->x_free_slices[word], mask); /* A1, A3, A4 */
	arena_publish(arena, index);
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
			arena_return_word(arena, word, run_mask(word, first, n));
		return false;
	}
	for (unsigned word = low; word <= high; word++)
		dirty += take_dirty(arena, word, run_mask(word, first, n));
	*run = (struct run){ arena, first, n, 0, 0 };
	arena_count_claim(run, dirty);
	return true;
}

/* Looks for a run, and claims up to `most` slices of it.  When another thread was faster, the
 * search goes on one slice further: it ends at the end of the arena.  false: there is no such run,
 * or others have taken each of them. */
static bool claim_run(struct arena *arena, unsigned n, unsigned most, bool resident,
                      struct run *run)
{
	unsigned first = ARENA_HEAD, all = n;

	while ((first = arena_find_run(arena, resident, first, n)) < ARENA_SLICES) {
		if (most > n)
			all = (unsigned)max_size(n, arena_count_run(arena, resident, first, most));
		if (arena_claim_at(arena, first, all, run))
			return true;
		arena_races++; /* another thread was faster */
		first++;
	}
	return false;
}

/* Does a huge arena fit: is it large enough, and at most about twice as large as asked? */
static bool has_room(const struct arena *arena, size_t slices)
{
	size_t room = arena_room(arena);

	return room >= slices && room / 2 <= slices;
}

void arena_return_huge(struct arena *arena)
{
	unsigned index = arena->index;

	store_seq(&arena->x_huge_used, 0); /* A1, A3 */
	arena_publish(arena, index);
}

/* Claims a huge arena as a whole; `resident`: only one of which some has pages.  Its size is looked
 * at again once it is the caller's, because it may have become smaller (large.c) before that: then
 * it is put back, and does not fit.  The dirty slices are the first ones. */
static bool claim_huge(struct arena *arena, size_t slices, bool resident, struct run *run)
{
	unsigned unused = 0;
	size_t room;

	if (!has_room(arena, slices) || load_relaxed(&arena->x_huge_used) ||
	    (resident && !load_relaxed(&arena->x_huge_dirty)))
		return false;
	if (!cas_acq_rel(&arena->x_huge_used, &unused, 1)) /* A1 */
		return false;
	if (!has_room(arena, slices)) {
		arena_return_huge(arena);
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
bool arena_claim_in(struct arena *arena, size_t slices, size_t most, bool resident, struct run *run)
{
	if (arena->huge != (slices > LARGE_SLICES) || arena->lead)
		return false;
	if (arena->huge)
		return claim_huge(arena, slices, resident, run);
	return most == 1 ? claim_one(arena, resident, run)
	                 : claim_run(arena, (unsigned)slices, (unsigned)most, resident, run);
}

void arena_free_from(struct arena *arena, unsigned first)
{
	for (unsigned word = first / 64; word < ARENA_WORDS; word++)
		or_seq(&arena->x_free_slices[word],
		       run_mask(word, first, ARENA_END - first)); /* A1, A3, A4 */
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
 * the moment when its free bit is set.  The arena may leave at once then, and its number in the
 * table may be another one's: so that is read before. */
static bool release_slices(struct arena *arena, unsigned first, unsigned n, unsigned dirty)
{
	unsigned low = first / 64, high = (first + n - 1) / 64, index = arena->index;
	bool is_free;

	for (unsigned word = low; dirty && word <= (first + dirty - 1) / 64; word++)
		or_relaxed(&arena->x_dirty[word], run_mask(word, first, dirty));
	if (dirty)
		tally_add(&arena_counters.x_retained, dirty * SLICE);
	arn_yield_point("release_slices");
	for (unsigned word = low; word <= high; word++)
		or_seq(&arena->x_free_slices[word], run_mask(word, first, n)); /* A1, A3, A4 */
	/* From here on any thread may retire the arena; the caller's section keeps it mapped. */
	arn_yield_point("unpublished_slices");
	is_free = arena_publish_run(arena, index, first, n, dirty);
	arn_yield_point("released_slices");
	return is_free;
}

static void release_huge(struct arena *arena, size_t dirty)
{
	store_relaxed(&arena->x_huge_dirty, dirty);
	tally_add(&arena_counters.x_retained, dirty * SLICE);
	arena_return_huge(arena);
}

bool arena_release(struct arena *arena, unsigned first, size_t slices, size_t dirty)
{
	bool is_free = true;

	if (arena->huge)
		release_huge(arena, dirty);
	else
		is_free = release_slices(arena, first, (unsigned)slices, (unsigned)dirty);
	tally_sub(&arena_counters.x_claimed, slices * SLICE);
	return is_free;
}

bool arena_claim_whole(struct arena *arena, struct run *run)
{
	if (arena->huge)
		return claim_huge(arena, arena_room(arena), false, run);
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

/* No arena is looked into, so this needs no section of reclaim.h. */
void arena_totals(struct arena_totals *totals)
{
	*totals = (struct arena_totals){ 0 };
	for (unsigned index = 0; index < registry_count(); index++)
		totals->arenas += registry_entry(index) != NULL;
	totals->mapped = load_relaxed(&arena_counters.x_mapped);
	totals->claimed = tally_read_all(&arena_counters.x_claimed);
	totals->retained = tally_read_all(&arena_counters.x_retained);
	totals->purges = load_relaxed(&arena_counters.x_purges);
	totals->purged = load_relaxed(&arena_counters.x_purged);
}
