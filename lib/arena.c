/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include "option.h"
#include "os.h"
#include "panic.h"
#include "purge.h"
#include "reclaim.h"

static _Atomic unsigned x_hint[2]; /* by dense, a guess: no single free slice below this arena */
struct arena_counters arena_counters;

static void claimed(struct run *run, size_t dirty)
{
	add_relaxed(&arena_counters.x_claimed, run->slices * SLICE);
	if (dirty)
		sub_relaxed(&arena_counters.x_retained, dirty * SLICE);
	run->clean = dirty == 0;
}

/* The dirty bits of claimed slices; the slices are ours. */
static size_t take_dirty(struct arena *arena, unsigned word, uint64_t mask)
{
	if ((load_relaxed(&arena->x_dirty[word]) & mask) == 0)
		return 0;
	return count_bits(and_relaxed(&arena->x_dirty[word], ~mask) & mask);
}

/* one slice, a resident one first */
static bool claim_one(struct arena *arena, struct run *run)
{
	for (unsigned word = 0; word < ARENA_WORDS; word++) {
		uint64_t free = load_relaxed(&arena->x_free[word]);

		while (free) {
			uint64_t dirty = free & load_relaxed(&arena->x_dirty[word]);
			uint64_t bit = (uint64_t)1 << lowest_bit(dirty ? dirty : free);

			arn_yield_point("claim_one");
			free = and_acquire(&arena->x_free[word], ~bit); /* A1 */
#ifdef ARN_BUG_claim_blindly
			free |= bit;
#endif
			if (free & bit) {
				*run = (struct run){ arena, word * 64 + lowest_bit(bit), 1, false };
				claimed(run, take_dirty(arena, word, bit));
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
	uint64_t free = load_relaxed(&arena->x_free[word]);

	do {
		if ((free & mask) != mask)
			return false;
		arn_yield_point("claim_word");
	} while (!cas_acquire(&arena->x_free[word], &free, free & ~mask)); /* A1 */
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
			or_release(&arena->x_free[word], run_mask(word, first, n)); /* A1 */
		return false;
	}
	for (unsigned word = low; word <= high; word++)
		dirty += take_dirty(arena, word, run_mask(word, first, n));
	*run = (struct run){ arena, first, n, false };
	claimed(run, dirty);
	return true;
}

static bool claim_run(struct arena *arena, unsigned n, struct run *run)
{
	uint64_t map[ARENA_WORDS];
	unsigned first = ARENA_HEAD;

	for (unsigned word = 0; word < ARENA_WORDS; word++)
		map[word] = load_relaxed(&arena->x_free[word]);
	while ((first = find_run(map, first, n)) < ARENA_SLICES) {
		if (claim_at(arena, first, n, run))
			return true;
		first++; /* somebody was faster: look further on, once through the arena */
	}
	return false;
}

static bool claim_huge(struct arena *arena, size_t slices, struct run *run)
{
	unsigned unused = 0;
	size_t room = arena->size / SLICE - ARENA_HEAD;

	if (room < slices || room / 2 > slices || load_relaxed(&arena->x_huge_used))
		return false;
	if (!cas_acq_rel(&arena->x_huge_used, &unused, 1)) /* A1 */
		return false;
	*run = (struct run){ arena, ARENA_HEAD, room, false };
	claimed(run, load_relaxed(&arena->x_huge_dirty) ? room : 0);
	store_relaxed(&arena->x_huge_dirty, 0);
	return true;
}

static bool claim_in(struct arena *arena, size_t slices, struct run *run)
{
	if (arena->huge)
		return claim_huge(arena, slices, run);
	return slices == 1 ? claim_one(arena, run) : claim_run(arena, (unsigned)slices, run);
}

/* Which arenas a request may look into. */
struct wanted {
	size_t slices;
	bool dense, any; /* any: also those of the other kind */
};

static bool suits(const struct arena *arena, const struct wanted *wanted)
{
	if (arena->huge || wanted->slices > LARGE_SLICES)
		return arena->huge && wanted->slices > LARGE_SLICES;
	return wanted->any || arena->dense == wanted->dense;
}

static bool claim_from(unsigned from, unsigned to, const struct wanted *wanted, struct run *run)
{
	for (unsigned index = from; index < to; index++) {
		struct arena *arena = registry_entry(index);

		if (!arena || !suits(arena, wanted) || !claim_in(arena, wanted->slices, run))
			continue;
		if (wanted->slices == 1 && from < index)
			store_relaxed(&x_hint[wanted->dense], index);
		return true;
	}
	return false;
}

static void init_free(struct arena *arena, unsigned claimed_slices)
{
	for (unsigned word = 0; word < ARENA_WORDS; word++)
		store_relaxed(&arena->x_free[word], ~(uint64_t)0);
	store_relaxed(&arena->x_free[0], ~bit_run(0, ARENA_HEAD));
	for (unsigned slice = ARENA_HEAD; slice < ARENA_HEAD + claimed_slices; slice++)
		and_relaxed(&arena->x_free[slice / 64], ~((uint64_t)1 << slice % 64));
}

void arena_say(const char *what, const struct arena *arena)
{
	struct text text = { 0 };

	if (option(OPTION_VERBOSE) < 2)
		return;
	text_add(&text, what);
	text_add_pointer(&text, arena);
	text_add(&text, ", ");
	text_add_number(&text, arena->size / MIB);
	text_add(&text, " MiB");
	warn(&text);
}

static bool publish(struct arena *arena, bool thp)
{
	store_relaxed(&arena->x_thp, thp);
	if (!registry_add(arena, &arena->index))
		return false;
	arena_say("mapped arena ", arena);
	add_relaxed(&arena_counters.x_mapped, arena->size);
	return true;
}

/*
 * Huge pages spare a large heap most page faults and TLB misses, and make a sparse one larger: only dense arenas get
 * them.  A purged arena loses them (keep_purged), or khugepaged would fill its holes again.
 */
static enum os_huge huge_pages(bool dense)
{
	enum os_huge wanted = (enum os_huge)option(OPTION_HUGE_PAGES);

	if (wanted != OS_HUGE_AUTO)
		return wanted;
	return dense ? OS_HUGE_ALWAYS : OS_HUGE_NEVER;
}

static void *map_arenas(size_t size, enum os_huge huge)
{
	void *arena = os_map_aligned(size, ARENA_SIZE);

	if (!arena)
		return NULL;
	os_advise_huge(arena, size, huge);
	os_name(arena, size, "arenite arena");
	return arena;
}

static bool add_huge(size_t slices, struct run *run)
{
	size_t size = (slices + ARENA_HEAD) * SLICE;
	enum os_huge huge = huge_pages(true);
	struct arena *arena = map_arenas(size, huge);

	if (!arena)
		return false;
	arena->size = size;
	arena->huge = true;
	store_relaxed(&arena->x_huge_used, 1);
	if (!publish(arena, huge == OS_HUGE_ALWAYS)) {
		os_unmap(arena, size);
		return false;
	}
	*run = (struct run){ arena, ARENA_HEAD, slices, true };
	add_relaxed(&arena_counters.x_claimed, slices * SLICE);
	return true;
}

/* Map option ARENA bytes at once; the first arena carries our run, so nobody can take it from us. */
static bool add_shared(unsigned slices, bool dense, struct run *run)
{
	size_t size = option(OPTION_ARENA);
	enum os_huge huge = huge_pages(dense);
	char *base = map_arenas(size, huge);

	if (!base && size > ARENA_SIZE)
		base = map_arenas(size = ARENA_SIZE, huge);
	if (!base)
		return false;
	for (size_t offset = 0; offset < size; offset += ARENA_SIZE) {
		struct arena *arena = (struct arena *)(base + offset);

		arena->size = ARENA_SIZE;
		arena->dense = dense;
		init_free(arena, offset == 0 ? slices : 0);
		if (publish(arena, huge == OS_HUGE_ALWAYS))
			continue;
		os_unmap(arena, size - offset);
		if (offset == 0)
			return false;
		break;
	}
	*run = (struct run){ (struct arena *)base, ARENA_HEAD, slices, true };
	add_relaxed(&arena_counters.x_claimed, slices * SLICE);
	return true;
}

static bool claim_mapped(const struct wanted *wanted, struct run *run)
{
	unsigned count = registry_count(), hint = load_relaxed(&x_hint[wanted->dense]);
	bool found;

	reclaim_enter();
	if (wanted->slices != 1 || wanted->any || hint > count)
		hint = 0;
	found = claim_from(hint, count, wanted, run) || claim_from(0, hint, wanted, run);
	reclaim_exit();
	return found;
}

static bool add(const struct wanted *wanted, struct run *run)
{
	if (wanted->slices > LARGE_SLICES)
		return add_huge(wanted->slices, run);
	return add_shared((unsigned)wanted->slices, wanted->dense, run);
}

bool arena_claim(size_t slices, bool dense, struct run *run)
{
	struct wanted wanted = { slices, dense, false };

	if (claim_mapped(&wanted, run) || add(&wanted, run))
		return true;
	/* The OS says no.  The other arenas may have room, and what is free in the wrong shape may go back. */
	wanted.any = true;
	if (claim_mapped(&wanted, run))
		return true;
	return purge_to(0) > 0 && add(&wanted, run);
}

static size_t retain_limit(void)
{
	size_t share = load_relaxed(&arena_counters.x_claimed) / 100 * option(OPTION_RETAIN_PERCENT);

	return max_size(option(OPTION_RETAIN), share);
}

static void release_slices(struct arena *arena, unsigned first, unsigned n)
{
	unsigned low = first / 64, high = (first + n - 1) / 64, index = arena->index;
	_Atomic unsigned *hint = &x_hint[arena->dense];

	for (unsigned word = low; word <= high; word++)
		or_relaxed(&arena->x_dirty[word], run_mask(word, first, n));
	add_relaxed(&arena_counters.x_retained, n * SLICE);
	arn_yield_point("release_slices");
	for (unsigned word = low; word <= high; word++)
		or_release(&arena->x_free[word], run_mask(word, first, n)); /* A1 */
	/* from here on the arena may be gone */
	arn_yield_point("released_slices");
	if (index < load_relaxed(hint))
		store_relaxed(hint, index);
}

static void release_huge(struct arena *arena, size_t slices)
{
	store_relaxed(&arena->x_huge_dirty, 1);
	add_relaxed(&arena_counters.x_retained, slices * SLICE);
	store_release(&arena->x_huge_used, 0); /* A1 */
}

void arena_release(struct arena *arena, unsigned first, size_t slices)
{
	size_t limit;

	if (arena->huge)
		release_huge(arena, slices);
	else
		release_slices(arena, first, (unsigned)slices);
	sub_relaxed(&arena_counters.x_claimed, slices * SLICE);
	limit = retain_limit();
	if (load_relaxed(&arena_counters.x_retained) > limit)
		purge_to(limit / 2); /* half: the next releases need no system call */
}

bool arena_claim_whole(struct arena *arena)
{
	struct run run;

	if (arena->huge)
		return claim_huge(arena, arena->size / SLICE - ARENA_HEAD, &run);
	return claim_at(arena, ARENA_HEAD, ARENA_SLICES - ARENA_HEAD, &run);
}

bool arena_is_valid(const struct arena *arena)
{
	unsigned free = 0, used = 0;

	if (arena->huge)
		return arena->size >= (ARENA_HEAD + LARGE_SLICES) * SLICE;
	for (unsigned word = 0; word < ARENA_WORDS; word++)
		free += count_bits(load_relaxed(&arena->x_free[word]));
	for (unsigned slice = ARENA_HEAD; slice < ARENA_SLICES; slice++)
		used += load_relaxed(&arena->pool[slice].x_heap) != NULL;
	return free + used <= ARENA_SLICES - ARENA_HEAD && arena_at(arena) == arena;
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
