/* SPDX-License-Identifier: MIT */
#include "arena/supply.h"

#include "arena/purge.h"
#include "arena/reclaim.h"
#include "arena/retain.h"
#include "arena/retire.h"
#include "base/option.h"
#include "os/os.h"

static _Atomic unsigned x_hint; /* a guess: no single free slice below this arena */

static bool claim_from(unsigned from, unsigned to, size_t slices, bool resident, struct run *run)
{
	for (unsigned index = from; index < to; index++) {
		struct arena *arena = registry_entry(index);

		if (!arena || !arena_claim_in(arena, slices, resident, run))
			continue;
		if (slices == 1 && !resident && from < index)
			store_relaxed(&x_hint, index);
		return true;
	}
	return false;
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
	arena_count_claim(run, 0);
	return true;
}

/* Map option ARENA bytes at once; the first arena carries our run, so nobody can take it from
 * us. */
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
		arena_free_from(arena, ARENA_HEAD + (offset == 0 ? slices : 0));
		if (publish_arena(arena))
			continue;
		os_unmap(arena, size - offset);
		if (offset == 0)
			return false;
		break;
	}
	*run = (struct run){ (struct arena *)base, ARENA_HEAD, slices, 0 };
	arena_count_claim(run, 0);
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
	        claim_from(hint, count, slices, false, run) ||
	        claim_from(0, hint, slices, false, run);
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
		arena_free_from(arena, ARENA_HEAD + (unsigned)slices);
	*run = (struct run){ arena, ARENA_HEAD, slices, 0 };
	arena_count_claim(run, 0);
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

/* When more is in use than ever before, what is kept for reuse makes up for it, so that a program's
 * peak is what it uses.  Below that peak nothing is given back here: it would be wanted again. */
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

bool supply_admits(size_t bytes)
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

/* The arenas without pools whose readers are done leave. */
static void unmap_empty(void)
{
	retire_free();
	retire_all();
}

/*
 * The system has no address space for a new arena.  That of arenas without pools may be what is
 * missing.  Pages would not help, so they stay with those who keep them; and a request that is
 * beyond the limit in any case takes nothing.
 */
static bool claim_after_unmapping(size_t slices, struct run *run)
{
	if (slices * SLICE > os_space_limit())
		return false;
	unmap_empty();
	return claim_slices(slices, run);
}

/* More than there are addresses. */
static bool is_impossible(size_t slices)
{
	return slices >= (size_t)1 << (ADDRESS_BITS - SLICE_SHIFT);
}

bool supply_claim(size_t slices, struct run *run)
{
	if (is_impossible(slices) || !supply_admits(slices * SLICE))
		return false;
	if (!claim_slices(slices, run) && !claim_after_unmapping(slices, run))
		return false;
	make_up_for_growth();
	retire_poll();
	return true;
}

bool supply_claim_at(struct arena *arena, unsigned first, unsigned slices, struct run *run)
{
	if (!supply_admits(slices * SLICE) || !arena_claim_at(arena, first, slices, run))
		return false;
	make_up_for_growth();
	return true;
}

void supply_release(struct arena *arena, unsigned first, size_t slices, size_t dirty)
{
	unsigned index = arena->index;

	reclaim_enter();
	arena_release(arena, first, slices, dirty);
	if (!arena->huge && index < load_relaxed(&x_hint))
		store_relaxed(&x_hint, index);
	if (arena_kept() > retain_base())
		retain_note_drop();
	if (arena_is_free(arena))
		retire_if_spare(arena);
	reclaim_exit();
	purge_excess();
	retire_poll();
}

size_t supply_trim(void)
{
	size_t done;

	retain_forget();
	done = purge_to(0);
	unmap_empty();
	return done;
}
