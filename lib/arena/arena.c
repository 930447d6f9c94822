/* SPDX-License-Identifier: MIT */
#include "arena/arena.h"

#include "base/option.h"
#include "os/os.h"
#include "base/panic.h"
#include "arena/purge.h"
#include "arena/reclaim.h"
#include "arena/retain.h"
#include "arena/retire.h"

static _Atomic unsigned x_hint; /* a guess: no single free slice below this arena */
struct arena_counters arena_counters;

/* The dirty bits of claimed slices; the slices are ours. */
static size_t take_dirty(struct arena *arena, unsigned word, uint64_t mask)
{
	if ((load_relaxed(&arena->x_dirty[word]) & mask) == 0)
		return 0;
	return count_bits(and_relaxed(&arena->x_dirty[word], ~mask) & mask);
}

static void count_claim(struct run *run, size_t dirty)
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
#ifdef ARN_BUG_claim_blindly
			free |= bit;
#endif
			if (free & bit) {
				*run = (struct run){ arena, word * 64 + lowest_bit(bit), 1, 0 };
				count_claim(run, take_dirty(arena, word, bit));
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
static bool claim_at(struct arena *arena, unsigned first, unsigned n, struct run *run)
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
	count_claim(run, dirty);
	return true;
}

static bool claim_run(struct arena *arena, unsigned n, struct run *run)
{
	uint64_t map[ARENA_WORDS];
	unsigned first = ARENA_HEAD;

	for (unsigned word = 0; word < ARENA_WORDS; word++)
		map[word] = load_relaxed(&arena->x_free_slices[word]);
	while ((first = find_run(map, first, n)) < ARENA_SLICES) {
		if (claim_at(arena, first, n, run))
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
	count_claim(run, load_relaxed(&arena->x_huge_dirty) ? room : 0);
	store_relaxed(&arena->x_huge_dirty, 0);
	return true;
}

static bool claim_in(struct arena *arena, size_t slices, bool resident, struct run *run)
{
	if (arena->huge != (slices > LARGE_SLICES))
		return false;
	if (arena->huge)
		return claim_huge(arena, slices, run);
	return slices == 1 ? claim_one(arena, resident, run) : claim_run(arena, (unsigned)slices, run);
}

static bool claim_from(unsigned from, unsigned to, size_t slices, bool resident, struct run *run)
{
	for (unsigned index = from; index < to; index++) {
		struct arena *arena = registry_entry(index);

		if (!arena || !claim_in(arena, slices, resident, run))
			continue;
		if (slices == 1 && !resident && from < index)
			store_relaxed(&x_hint, index);
		return true;
	}
	return false;
}

/* The slices from this one on are free; those before it are the caller's. */
static void free_from(struct arena *arena, unsigned first)
{
	for (unsigned word = first / 64; word < ARENA_WORDS; word++)
		or_release(&arena->x_free_slices[word], run_mask(word, first, ARENA_END - first)); /* A1 */
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

static bool publish_arena(struct arena *arena)
{
	os_guard((char *)arena + arena_size(arena) - ARENA_GUARD * SLICE, ARENA_GUARD * SLICE);
	if (!registry_add(arena, &arena->index))
		return false;
	arena_say("mapped arena ", arena);
	add_relaxed(&arena_counters.x_mapped, arena_size(arena));
	return true;
}

static void *map_arenas(size_t size)
{
	void *arena = os_map_aligned(size, ARENA_SIZE);

	if (!arena)
		return NULL;
	os_advise_huge(arena, size, (enum os_huge)option(OPTION_HUGE_PAGES));
	os_label(arena, size, "arenite arena");
	return arena;
}

static bool add_huge(size_t slices, struct run *run)
{
	/* not less than what the registry calls ours */
	size_t size = max_size((slices + ARENA_HEAD + ARENA_GUARD) * SLICE, ARENA_SIZE);
	struct arena *arena = map_arenas(size);

	if (!arena)
		return false;
	store_relaxed(&arena->x_size, size);
	arena->huge = true;
	store_relaxed(&arena->x_huge_used, 1);
	if (!publish_arena(arena)) {
		os_unmap(arena, size);
		return false;
	}
	slices = arena_room(arena);
	*run = (struct run){ arena, ARENA_HEAD, slices, 0 };
	count_claim(run, 0);
	return true;
}

/* Map option ARENA bytes at once; the first arena carries our run, so nobody can take it from us. */
static bool add_shared(unsigned slices, struct run *run)
{
	size_t size = option(OPTION_ARENA);
	char *base = map_arenas(size);

	if (!base && size > ARENA_SIZE)
		base = map_arenas(size = ARENA_SIZE);
	if (!base)
		return false;
	for (size_t offset = 0; offset < size; offset += ARENA_SIZE) {
		struct arena *arena = (struct arena *)(base + offset);

		store_relaxed(&arena->x_size, ARENA_SIZE);
		free_from(arena, ARENA_HEAD + (offset == 0 ? slices : 0));
		if (publish_arena(arena))
			continue;
		os_unmap(arena, size - offset);
		if (offset == 0)
			return false;
		break;
	}
	*run = (struct run){ (struct arena *)base, ARENA_HEAD, slices, 0 };
	count_claim(run, 0);
	return true;
}

/* What is resident somewhere serves before what is not here; the hint is about any free slice. */
static bool claim_mapped(size_t slices, struct run *run)
{
	unsigned count = registry_count(), hint = load_relaxed(&x_hint);
	bool found;

	reclaim_enter();
	if (slices != 1 || hint > count)
		hint = 0;
	found = (slices == 1 && load_relaxed(&arena_counters.x_retained) > 0 &&
	         claim_from(0, count, 1, true, run)) ||
		claim_from(hint, count, slices, false, run) || claim_from(0, hint, slices, false, run);
	reclaim_exit();
	return found;
}

/* A retired arena comes back. */
static bool add_again(size_t slices, struct run *run)
{
	struct arena *arena = retire_take_back(slices);

	if (!arena)
		return false;
	if (arena->huge)
		slices = arena_room(arena);
	else
		free_from(arena, ARENA_HEAD + (unsigned)slices);
	*run = (struct run){ arena, ARENA_HEAD, slices, 0 };
	count_claim(run, 0);
	return true;
}

static bool add_arena(size_t slices, struct run *run)
{
	if (add_again(slices, run))
		return true;
	return slices > LARGE_SLICES ? add_huge(slices, run) : add_shared((unsigned)slices, run);
}

/* Free memory in the wrong shape is kept up to here while the program grows. */
#define KEEP_GROWING (2 * MIB)

/* When more is in use than ever before, what is kept for reuse makes up for it, so that a program's peak is what it
 * uses.  Below that peak nothing is given back here: it would be wanted again. */
static void make_up_for_growth(void)
{
	size_t used = arena_in_use(), peak = load_relaxed(&arena_counters.x_peak);
	size_t retained = load_relaxed(&arena_counters.x_retained), growth = used - peak;

	if (used <= peak)
		return;
	if (retained > KEEP_GROWING)
		purge_to(max_size(KEEP_GROWING, retained - min_size(retained, 2 * growth)));
	while (peak < used && !cas_acquire(&arena_counters.x_peak, &peak, used))
		;
}

bool arena_admits(size_t bytes)
{
	size_t limit = option(OPTION_LIMIT), room;

	if (likely(limit == 0))
		return true;
	room = limit - min_size(limit, arena_with_pages());
	if (room < bytes)
		return false;
	if (load_relaxed(&arena_counters.x_retained) > room - bytes)
		purge_to(room - bytes);
	return true;
}

static bool claim_slices(size_t slices, struct run *run)
{
	return claim_mapped(slices, run) || add_arena(slices, run);
}

/*
 * The system has no address space for a new arena.  That of arenas without pools may be what is missing.  Pages would
 * not help, so they stay with those who keep them; and a request that is beyond the limit in any case takes nothing.
 */
static bool claim_after_unmapping(size_t slices, struct run *run)
{
	if (slices * SLICE > os_space_limit())
		return false;
	purge_arenas();
	return claim_slices(slices, run);
}

/* More than there are addresses. */
static bool is_impossible(size_t slices)
{
	return slices >= (size_t)1 << (ADDRESS_BITS - SLICE_SHIFT);
}

bool arena_claim(size_t slices, struct run *run)
{
	if (is_impossible(slices) || !arena_admits(slices * SLICE))
		return false;
	if (!claim_slices(slices, run) && !claim_after_unmapping(slices, run))
		return false;
	make_up_for_growth();
	retire_poll();
	return true;
}

bool arena_claim_at(struct arena *arena, unsigned first, unsigned slices, struct run *run)
{
	if (!arena_admits(slices * SLICE) || !claim_at(arena, first, slices, run))
		return false;
	make_up_for_growth();
	return true;
}

static void release_slices(struct arena *arena, unsigned first, unsigned n, bool resident)
{
	unsigned low = first / 64, high = (first + n - 1) / 64, index = arena->index;

	for (unsigned word = low; word <= high && resident; word++)
		or_relaxed(&arena->x_dirty[word], run_mask(word, first, n));
	add_relaxed(&arena_counters.x_retained, resident ? n * SLICE : 0);
	arn_yield_point("release_slices");
	for (unsigned word = low; word <= high; word++)
		or_release(&arena->x_free_slices[word], run_mask(word, first, n)); /* A1 */
	/* from here on somebody may retire it; it stays mapped while we are in our section */
	arn_yield_point("released_slices");
	if (index < load_relaxed(&x_hint))
		store_relaxed(&x_hint, index);
}

static void release_huge(struct arena *arena, bool resident)
{
	store_relaxed(&arena->x_huge_dirty, resident);
	add_relaxed(&arena_counters.x_retained, resident ? arena_room(arena) * SLICE : 0);
	store_release(&arena->x_huge_used, 0); /* A1 */
}

static size_t kept_bytes(void)
{
	return load_relaxed(&arena_counters.x_retained) + load_relaxed(&arena_counters.x_waiting);
}

bool retain_is_exceeded(size_t more)
{
	return kept_bytes() + more > retain_for_slices();
}

bool arena_is_free(const struct arena *arena)
{
	if (arena->huge)
		return load_relaxed(&arena->x_huge_used) == 0;
	for (unsigned word = 0; word < ARENA_WORDS; word++)
		if (load_relaxed(&arena->x_free_slices[word]) != run_mask(word, ARENA_HEAD, ARENA_END - ARENA_HEAD))
			return false;
	return true;
}

void arena_release(struct arena *arena, unsigned first, size_t slices, bool resident)
{
	reclaim_enter();
	if (arena->huge)
		release_huge(arena, resident);
	else
		release_slices(arena, first, (unsigned)slices, resident);
	sub_relaxed(&arena_counters.x_claimed, slices * SLICE);
	if (kept_bytes() > retain_base())
		retain_note_drop();
	if (arena_is_free(arena))
		retire_if_spare(arena);
	reclaim_exit();
	purge_excess();
	retire_poll();
}

bool arena_claim_whole(struct arena *arena, struct run *run)
{
	if (arena->huge)
		return claim_huge(arena, arena_room(arena), run);
	return claim_at(arena, ARENA_HEAD, ARENA_END - ARENA_HEAD, run);
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
