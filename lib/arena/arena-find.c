/* SPDX-License-Identifier: MIT
 *
 * arena-find.c - the search for free slices among all arenas, by the numbers of summary.h, and what
 * keeps these numbers right.
 */
#include "arena/arena.h"

#include "arena/summary.h"

/* ---- runs in an arena's bitmap, word by word ------------------------------------------------- */

/* The free slices of a word, or those of them that have pages.  The x_dirty bit of a slice was set
 * before the slice became free, so it is looked at afterwards. */
static uint64_t free_word(const struct arena *arena, bool resident, unsigned word)
{
	uint64_t free = load_seq(&arena->x_free_slices[word]); /* A1, A3 */

	return resident && free ? free & load_relaxed(&arena->x_dirty[word]) : free;
}

/* How many there are in a row from this slice on; at least `enough`, if there are so many. */
static unsigned count_from(const struct arena *arena, bool resident, unsigned slice,
                           unsigned enough)
{
	unsigned at = slice, set;

	do
		at += set = run_length(free_word(arena, resident, at / 64), at % 64);
	while (at - slice < enough && set > 0 && at % 64 == 0 && at < ARENA_SLICES);
	return at - slice;
}

/* How many there are in a row up to the slice before this one. */
static unsigned count_below(const struct arena *arena, bool resident, unsigned slice)
{
	unsigned left = slice, set, most;

	do {
		most = (left - 1) % 64 + 1; /* bits of the word below the slice */
		set = leading_ones(free_word(arena, resident, (left - 1) / 64) << (64 - most));
		left -= min_size(set, most);
	} while (set >= most && left > 0);
	return slice - left;
}

/* The first free slice at or above this one, or the end of its word. */
static unsigned skip_taken(const struct arena *arena, bool resident, unsigned slice)
{
	uint64_t free = free_word(arena, resident, slice / 64) >> slice % 64;

	return free ? slice + lowest_bit(free) : (slice / 64 + 1) * 64;
}

unsigned arena_find_run(const struct arena *arena, bool resident, unsigned from, unsigned n)
{
	while ((from = skip_taken(arena, resident, from)) < ARENA_SLICES) {
		unsigned length = count_from(arena, resident, from, n);

		if (length >= n)
			return from;
		from += length;
		if (from >= ARENA_SLICES)
			break;
	}
	return ARENA_SLICES;
}

unsigned arena_count_run(const struct arena *arena, bool resident, unsigned from, unsigned most)
{
	return (unsigned)min_size(count_from(arena, resident, from, most), most);
}

/* The slices of the longest run, or LARGE_SLICES if it is longer: no request needs more. */
static unsigned longest_run(const struct arena *arena, bool resident)
{
	unsigned longest = 0, from = 0;

	while (from < ARENA_SLICES && longest < LARGE_SLICES &&
	       (from = skip_taken(arena, resident, from)) < ARENA_SLICES) {
		unsigned length = count_from(arena, resident, from, LARGE_SLICES);

		longest = length > longest ? length : longest;
		from += length;
	}
	return longest < LARGE_SLICES ? longest : LARGE_SLICES;
}

/* ---- the numbers ----------------------------------------------------------------------------- */

/* The room of a huge arena in 16 steps for each doubling: a larger room has no smaller class. */
static unsigned huge_class(size_t room)
{
	unsigned k;

	if (room < 16)
		return (unsigned)room;
	k = highest_bit(room);
	return k * 16 + (unsigned)(room >> (k - 4) & 15);
}

/* What the arena has now, as a number of summary.h. */
static unsigned measure(const struct arena *arena, enum summary_kind kind)
{
	if (!arena->huge)
		return kind == SUMMARY_HUGE ? 0 : longest_run(arena, kind == SUMMARY_RESIDENT);
	if (kind == SUMMARY_FREE || load_seq(&arena->x_huge_used)) /* A3 */
		return 0;
	if (kind == SUMMARY_HUGE && arena->lead)
		return 0;
	if (kind == SUMMARY_RESIDENT)
		return load_relaxed(&arena->x_huge_dirty) ? SUMMARY_MOST : 0;
	return huge_class(arena_room(arena));
}

static unsigned measure_at(unsigned index, enum summary_kind kind)
{
	const struct arena *arena = registry_entry(index); /* A3 */

	return arena ? measure(arena, kind) : 0;
}

/* The number says more than there is, so it is lowered.  What has become free meanwhile may have
 * found the number high enough, so the arena is looked at again. */
static void correct(enum summary_kind kind, unsigned index)
{
	unsigned seen = summary_get(kind, index), now = measure_at(index, kind), again;

	if (now >= seen || !summary_lower(kind, index, seen, now))
		return;
	arn_yield_point("arena_correct");
	again = BUG(lowered_unchecked) ? 0 : measure_at(index, kind);
	if (again > now)
		summary_raise(kind, index, again);
}

void arena_correct_resident(unsigned index)
{
	correct(SUMMARY_RESIDENT, index);
}

/* A shared arena is measured only if its number could be too low. */
void arena_publish(struct arena *arena, unsigned index)
{
	for (unsigned kind = SUMMARY_FREE; kind <= SUMMARY_HUGE; kind++)
		if (arena->huge || summary_get(kind, index) < LARGE_SLICES)
			summary_raise(kind, index, measure(arena, kind));
	if (!arena->huge)
		arena_note_free(arena);
}

static bool is_set(const struct arena *arena, bool resident, unsigned slice)
{
	return free_word(arena, resident, slice / 64) >> slice % 64 & 1;
}

/* The run of which these slices are a part.  There is always a slice on either side of it, since
 * the head and the guard are never free. */
static unsigned run_around(const struct arena *arena, bool resident, unsigned first, unsigned n)
{
	unsigned length = n;

	if (is_set(arena, resident, first - 1))
		length += count_below(arena, resident, first);
	if (is_set(arena, resident, first + n))
		length += count_from(arena, resident, first + n, LARGE_SLICES);
	return length < LARGE_SLICES ? length : LARGE_SLICES;
}

/* Only the run that these slices belong to has become longer.  Mostly the number is high enough,
 * and nothing is written. */
static void publish_around(enum summary_kind kind, const struct arena *arena, unsigned index,
                           unsigned first, unsigned n)
{
	unsigned number = summary_get(kind, index), length;

	if (number >= LARGE_SLICES)
		return;
	length = run_around(arena, kind == SUMMARY_RESIDENT, first, n);
	if (unlikely(number < length))
		summary_raise(kind, index, length);
}

bool arena_publish_run(struct arena *arena, unsigned index, unsigned first, unsigned n,
                       unsigned dirty)
{
	publish_around(SUMMARY_FREE, arena, index, first, n);
	if (dirty)
		publish_around(SUMMARY_RESIDENT, arena, index, first, dirty);
	return arena_note_free(arena);
}

/* ---- search ---------------------------------------------------------------------------------- */

static unsigned find(enum summary_kind kind, unsigned from, size_t slices, bool all)
{
	unsigned low = (unsigned)slices, high = LARGE_SLICES;

	if (kind == SUMMARY_HUGE) {
		low = huge_class(slices);
		high = huge_class(2 * slices + 1); /* about twice as large as asked: claim_huge */
	}
	return unlikely(all) ? summary_find_all(kind, from, registry_count(), low, high)
	                     : summary_find(kind, from, low, high);
}

static enum summary_kind kind_of(size_t slices, enum arena_search how)
{
	if (slices > LARGE_SLICES)
		return SUMMARY_HUGE;
	return how == ARENA_RESIDENT ? SUMMARY_RESIDENT : SUMMARY_FREE;
}

/* An arena that does not have what its number says, because others have taken it, is corrected, so
 * that it is looked at once and not each time. */
bool arena_claim_from(unsigned from, size_t slices, size_t most, enum arena_search how,
                      struct run *run)
{
	enum summary_kind kind = kind_of(slices, how);
	unsigned index = from;

	while ((index = find(kind, index, slices, how == ARENA_ALL)) < ARENAS_MAX) {
		struct arena *arena = registry_entry(index);

		if (how == ARENA_ALL)
			summary_mend(kind, index);
		if (likely(arena &&
		           arena_claim_in(arena, slices, most, how == ARENA_RESIDENT, run)))
			return true;
		correct(kind, index++);
	}
	return false;
}

unsigned arena_find_resident(unsigned below)
{
	return summary_find_before(SUMMARY_RESIDENT, below, 1);
}

unsigned arena_find_free(unsigned from)
{
	unsigned shared = summary_find(SUMMARY_FREE, from, LARGE_SLICES, LARGE_SLICES);
	unsigned huge = summary_find(SUMMARY_HUGE, from, 1, SUMMARY_MOST);

	return shared < huge ? shared : huge;
}

static size_t renew(struct arena *arena, unsigned index)
{
	bool counted = !arena->huge && arena_is_free(arena);

	for (unsigned kind = SUMMARY_FREE; kind <= SUMMARY_HUGE; kind++) {
		summary_raise(kind, index, measure(arena, kind));
		summary_mend(kind, index);
	}
	store_relaxed(&arena->x_counted, counted);
	return counted;
}

void arena_fork_child(void)
{
	size_t free = 0;

	if (BUG(trust_numbers))
		return;
	for (unsigned index = 0; index < registry_count(); index++) {
		struct arena *arena = registry_entry(index);

		if (arena) {
			free += renew(arena, index);
		} else {
			summary_raise(SUMMARY_VACANT, index, 1);
			summary_mend(SUMMARY_VACANT, index);
		}
	}
	arena_set_free_count(free);
}
