/* SPDX-License-Identifier: MIT */
#include "arena/arena.h"

#include "base/option.h"
#include "base/panic.h"
#include "arena/reclaim.h"

struct arena_counters arena_counters;

/* The dirty bits of claimed slices; the slices are ours. */
static size_t take_dirty(struct arena *arena, unsigned word, uint64_t mask)
{
	if ((load_relaxed(&arena->x_dirty[word]) & mask) == 0)
		return 0;
	return count_bits(and_relaxed(&arena->x_dirty[word], ~mask) & mask);
}

void arena_count_claim(struct run *run, size_t dirty)
{
	run->clean = run->slices - dirty;
	add_relaxed(&arena_counters.x_claimed, run->slices * SLICE);
	if (dirty)
		sub_relaxed(&arena_counters.x_retained, dirty * SLICE);
}

/* One slice, a resident one first; or no other. */
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
				*run = (struct run){ arena, word * 64 + lowest_bit(bit), 1, 0 };
				arena_count_claim(run, take_dirty(arena, word, bit));
				return true;
			}
		}
	}
	return false;
}

static bool is_free(const uint64_t *map, unsigned slice)
{
	return map[slice / 64] >> (slice % 64) & 1;
}

/* The first run of n free slices in a snapshot at or above `from`; ARENA_SLICES: none. */
static unsigned find_run(const uint64_t *map, unsigned from, unsigned n)
{
	unsigned length = 0;

	for (unsigned slice = from; slice < ARENA_SLICES; slice++) {
		if (slice % 64 == 0 && map[slice / 64] == 0) {
			slice += 63;
			length = 0;
			continue;
		}
		length = is_free(map, slice) ? length + 1 : 0;
		if (length == n)
			return slice + 1 - n;
	}
	return ARENA_SLICES;
}

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

/* what of the run [first, first + n) stands in this word */
static uint64_t run_mask(unsigned word, unsigned first, unsigned n)
{
	unsigned low = word * 64, from = first > low ? first - low : 0;
	unsigned to = first + n < low + 64 ? first + n - low : 64;

	return bit_run(from, to - from);
}

/* Word by word; what was taken is put back when a later word has changed. */
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
	*run = (struct run){ arena, first, n, 0 };
	arena_count_claim(run, dirty);
	return true;
}

static bool claim_run(struct arena *arena, unsigned n, struct run *run)
{
	uint64_t map[ARENA_WORDS];
	unsigned first = ARENA_HEAD;

	for (unsigned word = 0; word < ARENA_WORDS; word++)
		map[word] = load_relaxed(&arena->x_free_slices[word]);
	while ((first = find_run(map, first, n)) < ARENA_SLICES) {
		if (arena_claim_at(arena, first, n, run))
			return true;
		first++; /* somebody was faster: look further on, once through the arena */
	}
	return false;
}

static bool has_room(const struct arena *arena, size_t slices)
{
	size_t room = arena_room(arena);

	return room >= slices && room / 2 <= slices;
}

/* It may have become smaller before it was ours. */
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
	*run = (struct run){ arena, ARENA_HEAD, room, 0 };
	arena_count_claim(run, min_size(room, load_relaxed(&arena->x_huge_dirty)));
	store_relaxed(&arena->x_huge_dirty, 0);
	return true;
}

bool arena_claim_in(struct arena *arena, size_t slices, bool resident, struct run *run)
{
	if (arena->huge != (slices > LARGE_SLICES))
		return false;
	if (arena->huge)
		return claim_huge(arena, slices, run);
	return slices == 1 ? claim_one(arena, resident, run)
	                   : claim_run(arena, (unsigned)slices, run);
}

/* The slices from this one on are free; those before it are the caller's. */
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

static void release_slices(struct arena *arena, unsigned first, unsigned n, unsigned dirty)
{
	unsigned low = first / 64, high = (first + n - 1) / 64;

	for (unsigned word = low; dirty && word <= (first + dirty - 1) / 64; word++)
		or_relaxed(&arena->x_dirty[word], run_mask(word, first, dirty));
	add_relaxed(&arena_counters.x_retained, dirty * SLICE);
	arn_yield_point("release_slices");
	for (unsigned word = low; word <= high; word++)
		or_release(&arena->x_free_slices[word], run_mask(word, first, n)); /* A1 */
	/* from here on somebody may retire it; it stays mapped while we are in our section */
	arn_yield_point("released_slices");
}

static void release_huge(struct arena *arena, size_t dirty)
{
	store_relaxed(&arena->x_huge_dirty, dirty);
	add_relaxed(&arena_counters.x_retained, dirty * SLICE);
	store_release(&arena->x_huge_used, 0); /* A1 */
}

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
