/* SPDX-License-Identifier: MIT */
#include "arena/supply.h"

#include "arena/purge.h"
#include "arena/reclaim.h"
#include "arena/retain.h"
#include "arena/retire.h"
#include "base/option.h"
#include "os/os.h"

static _Atomic unsigned x_hint; /* a guess: no free slice in the arenas before this one */

/* Tries the arenas from..to-1 of the table, in order.  The caller is in a section.  A single slice
 * that was found further on moves the hint there, because the arenas before it are full. */
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

/* Makes the last slice a guard and puts the arena into the table, where other threads find it at
 * once.  false: the table is full, and the arena is still the caller's alone. */
static bool publish_arena(struct arena *arena)
{
	os_guard((char *)arena + arena_size(arena) - ARENA_GUARD * SLICE, ARENA_GUARD * SLICE);
	if (!registry_add(arena, &arena->index))
		return false;
	arena_say("mapped arena ", arena);
	add_relaxed(&arena_counters.x_mapped, arena_size(arena));
	return true;
}

/* NULL: there is no address space. */
static void *map_arenas(size_t size)
{
	void *arena = os_map_aligned(size, ARENA_SIZE);

	if (!arena)
		return NULL;
	os_advise_huge(arena, size, (enum os_huge)option(OPTION_HUGE_PAGES));
	os_label(arena, size, "arenite arena");
	return arena;
}

/* The caller's run is the first of a new arena, and has no pages. */
static void begin_with(struct arena *arena, size_t slices, struct run *run)
{
	*run = (struct run){ arena, ARENA_HEAD, slices, 0, 0 };
	arena_count_claim(run, 0);
}

/* Maps an arena for one block and claims it before other threads can find it.  The run is all of
 * its body, which may be more than was asked for. */
static bool add_huge(size_t slices, struct run *run)
{
	/* At least the 32 MiB that its byte in the registry stands for. */
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
	begin_with(arena, arena_room(arena), run);
	return true;
}

/* Maps option ARENA bytes at once, which may be several arenas; if there is not so much address
 * space, one arena.  The first one carries the caller's run from the start, so no other thread can
 * take that.  Arenas for which the table has no room are unmapped again.  false: not even one could
 * be had. */
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
	begin_with((struct arena *)base, slices, run);
	return true;
}

/* A run is looked for with pages first, in all arenas, since resident slices anywhere are better
 * than clean ones.  Then any run will do.  For a single slice that search begins at the hint, and
 * goes on in the arenas before it, as the hint may be wrong. */
static bool claim_mapped(size_t slices, struct run *run)
{
	unsigned count = registry_count(), hint = load_relaxed(&x_hint);
	bool found;

	reclaim_enter();
	if (slices != 1 || hint > count)
		hint = 0;
	found = (load_relaxed(&arena_counters.x_retained) >= slices * SLICE &&
	         slices <= LARGE_SLICES && claim_from(0, count, slices, true, run)) ||
	        claim_from(hint, count, slices, false, run) ||
	        claim_from(0, hint, slices, false, run);
	reclaim_exit();
	return found;
}

/* Takes a retired arena back into use: it comes claimed as a whole, and what the caller does not
 * need becomes free. */
static bool add_again(size_t slices, struct run *run)
{
	struct arena *arena = retire_take_back(slices);

	if (!arena)
		return false;
	if (arena->huge)
		slices = arena_room(arena);
	else
		arena_free_from(arena, ARENA_HEAD + (unsigned)slices);
	begin_with(arena, slices, run);
	return true;
}

/* An arena that is mapped already is better than a new one. */
static bool add_arena(size_t slices, struct run *run)
{
	if (add_again(slices, run))
		return true;
	return slices > LARGE_SLICES ? add_huge(slices, run) : add_shared((unsigned)slices, run);
}

/* Gives back so much of what is retained. */
static size_t trade(size_t retained, size_t bytes)
{
	size_t done = bytes ? purge_to(retained - bytes) : 0;

	retain_note_trade(done);
	return done;
}

/* When a run makes more resident than ever was before, what is kept for reuse is made smaller by
 * twice the growth, so that a program's peak is what it uses; a quarter of the limit is still kept.
 * Below that peak nothing is given back here, because it would be wanted again; nor is it when the
 * program has had what it may have of that (retain.h).  Returns the growth for which slices did not
 * make up. */
static size_t make_up_for_growth(const struct run *run)
{
	size_t clean = run->clean * SLICE, resident = arena_resident(), done = 0;
	size_t before = resident - min_size(resident, clean), growth;
	size_t peak = load_relaxed(&arena_counters.x_peak);
	size_t retained = load_relaxed(&arena_counters.x_retained), keep = retain_base() / 2;

	while (peak < before && !cas_acquire(&arena_counters.x_peak, &peak, before))
		;
	growth = resident - min_size(resident, max_size(peak, before));
	if (growth > 0 && retained > keep && os_takes_pages())
		done = trade(retained, retain_may_trade(min_size(retained - keep, 2 * growth)));
	return growth - min_size(growth, done);
}

/* Counted is what has pages.  Free slices that are resident are not in that sum, so as many of them
 * go back as are in the way. */
bool supply_admits(size_t bytes)
{
	size_t limit = option(OPTION_LIMIT), room;

	if (likely(limit == 0))
		return true;
	room = limit - min_size(limit, arena_with_pages());
	if (room < bytes)
		return false;
	if (load_relaxed(&arena_counters.x_retained) > room - bytes && os_takes_pages())
		purge_to(room - bytes);
	return true;
}

static bool claim_slices(size_t slices, struct run *run)
{
	return claim_mapped(slices, run) || add_arena(slices, run);
}

/* Retires all arenas that are free. */
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

/* Unmaps the arenas without pools whose readers are done. */
static void unmap_empty(void)
{
	retire_free();
	retire_all();
}

/* The system has no address space for a new arena.  That of arenas without pools may be what is
 * missing, so these are unmapped, and the claim is tried once more.  Pages would not help, so they
 * stay with the heaps that keep them.  A request that is beyond the limit of the process in any
 * case unmaps nothing. */
static bool claim_after_unmapping(size_t slices, struct run *run)
{
	if (slices * SLICE > os_space_limit())
		return false;
	unmap_empty();
	return claim_slices(slices, run);
}

/* Is this more than there are addresses? */
static bool is_impossible(size_t slices)
{
	return slices >= (size_t)1 << (ADDRESS_BITS - SLICE_SHIFT);
}

/* First the limit is asked, then the arenas that are there, then retired and new ones, and at last
 * what can be unmapped.  After a claim the peak is looked at, and a few retired arenas are
 * unmapped.  false: there is no memory, or the limit does not admit it. */
bool supply_claim(size_t slices, struct run *run)
{
	if (is_impossible(slices) || !supply_admits(slices * SLICE))
		return false;
	if (!claim_slices(slices, run) && !claim_after_unmapping(slices, run))
		return false;
	retain_note_use();
	run->growth = make_up_for_growth(run);
	retire_poll();
	return true;
}

bool supply_claim_at(struct arena *arena, unsigned first, unsigned slices, struct run *run)
{
	if (!supply_admits(slices * SLICE) || !arena_claim_at(arena, first, slices, run))
		return false;
	run->growth = make_up_for_growth(run);
	return true;
}

/* The slices are free as soon as arena_release has set their bits; the arena may retire at once, in
 * another thread, so the rest happens in a section.  retain.h hears of a drop when more than the
 * base is free.  If the arena is free now it retires, unless it is kept.  Purging and unmapping
 * come last, outside of the section: they may take a while, and a grace period need not wait for
 * them. */
void supply_release(struct arena *arena, unsigned first, size_t slices, size_t dirty)
{
	unsigned index = arena->index;

	reclaim_enter();
	arena_release(arena, first, slices, dirty);
	if (!arena->huge && index < load_relaxed(&x_hint))
		store_relaxed(&x_hint, index);
	if (arena_is_free(arena))
		retire_if_spare(arena);
	reclaim_exit();
	purge_excess(slices * SLICE);
	retire_poll();
	/* A free slice counts whole, where a pool counted its pages: purge what the limit lacks. */
	supply_admits(0);
}

/* Nothing is kept for reuse any more: the credit ends, the pages of all free slices go back, and
 * all free arenas retire. */
size_t supply_trim(void)
{
	size_t done;

	retain_forget();
	done = purge_to(0);
	unmap_empty();
	return done;
}
