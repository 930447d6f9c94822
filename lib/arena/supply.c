/* SPDX-License-Identifier: MIT */
#include "arena/supply.h"

#include "arena/budget.h"
#include "arena/peak.h"
#include "arena/purge.h"
#include "arena/reclaim.h"
#include "arena/retain.h"
#include "arena/retire.h"
#include "base/option.h"
#include "base/usdt.h"
#include "os/os.h"

/* Where this thread begins to look.  It is behind the last arena for which the thread was in a race
 * with another one, so that they do not meet again, and 0 if there was nothing further on.  Without
 * races all begin with the first arena, so that few arenas are in use. */
static __thread unsigned search_begin;

/* Makes the last slice a guard and puts the arena into the table, where other threads find it at
 * once.  If all of it is free they may even retire it; so this happens in a section.  false: the
 * table is full, and the arena is still the caller's alone. */
static bool publish_arena(struct arena *arena)
{
	bool added;

	os_guard((char *)arena + arena_size(arena) - ARENA_GUARD * SLICE, ARENA_GUARD * SLICE);
	reclaim_enter();
	added = (!arena->lead || registry_add_body(arena)) && registry_add(arena, &arena->index);
	if (added) {
		arena_say("mapped arena ", arena);
		usdt_arena_map(arena, arena_size(arena));
		add_relaxed(&arena_counters.x_mapped, arena_size(arena));
		arena_publish(arena, arena->index);
	}
	reclaim_exit();
	return added;
}

/* So many bytes, of which those behind the first ARENA_SIZE begin at a multiple of the alignment.
 * What was mapped before them to find that place goes again.  NULL: there is no address space. */
static void *map_arenas(size_t size, size_t alignment)
{
	size_t before = alignment - ARENA_SIZE;
	char *space = os_map_aligned(before + size, alignment), *arena = space + before;

	if (!space)
		return NULL;
	if (before)
		os_unmap(space, before);
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
 * its body, which may be more than was asked for.  With a lead the body is aligned, and begins
 * ARENA_SIZE behind the head.  The arena has at least the 32 MiB that each of its bytes in the
 * registry stands for. */
static bool add_huge(size_t slices, unsigned lead, size_t alignment, struct run *run)
{
	size_t least = lead ? 2 * ARENA_SIZE : ARENA_SIZE;
	size_t size = max_size((slices + ARENA_HEAD + lead + ARENA_GUARD) * SLICE, least);
	struct arena *arena = map_arenas(size, alignment);

	if (!arena)
		return false;
	store_relaxed(&arena->x_size, size);
	arena->huge = true;
	arena->lead = (uint16_t)lead;
	store_relaxed(&arena->x_huge_used, 1);
	if (!publish_arena(arena)) {
		if (lead)
			registry_hide_body(arena);
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
	char *base = map_arenas(size, ARENA_SIZE);

	if (!base && size > ARENA_SIZE)
		base = map_arenas(size = ARENA_SIZE, ARENA_SIZE);
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

static bool search(size_t slices, size_t most, enum arena_search how, struct run *run)
{
	return arena_claim_from(search_begin, slices, most, how, run) ||
	       (search_begin > 0 && arena_claim_from(0, slices, most, how, run));
}

/* What is kept of a huge run may be shorter than the run. */
static bool search_kept(size_t slices, size_t most, struct run *run)
{
	size_t least = min_size(slices, LARGE_SLICES) * SLICE;

	if (slices > LARGE_SLICES && BUG(any_huge))
		return false;
	return tally_read(&arena_counters.x_retained) >= least &&
	       search(slices, most, ARENA_RESIDENT, run);
}

bool supply_claim_kept(size_t slices, size_t most, struct run *run)
{
	bool found;

	reclaim_enter();
	found = search_kept(slices, most, run);
	reclaim_exit();
	if (found)
		retain_note_use();
	return found;
}

/* A run is looked for with pages first, in all arenas, since resident slices anywhere are better
 * than clean ones.  Then any run will do.  The last search overlooks nothing: an arena is mapped
 * after it. */
static bool claim_mapped(size_t slices, struct run *run)
{
	unsigned races = arena_races;
	bool found;

	reclaim_enter();
	found = search_kept(slices, slices, run) || search(slices, slices, ARENA_ANY, run) ||
	        arena_claim_from(0, slices, slices, ARENA_ALL, run);
	if (found && unlikely(arena_races != races))
		search_begin = run->arena->index + 1;
	else if (found && run->arena->index < search_begin)
		search_begin = 0;
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
	if (arena->huge) {
		slices = arena_room(arena);
	} else {
		arena_free_from(arena, ARENA_HEAD + (unsigned)slices);
		arena_publish(arena, arena->index);
	}
	begin_with(arena, slices, run);
	return true;
}

/* An arena that is mapped already is better than a new one. */
static bool add_arena(size_t slices, struct run *run)
{
	if (registry_is_full())
		return false;
	if (add_again(slices, run))
		return true;
	return slices > LARGE_SLICES ? add_huge(slices, 0, ARENA_SIZE, run)
	                             : add_shared((unsigned)slices, run);
}

/* Counted is what has pages.  Free slices that are resident are not in that sum, so as many of them
 * go back as are in the way. */
bool supply_admits_bounded(size_t bytes)
{
	size_t limit, pages, room;

	if (budget_has_room(bytes))
		return true;
	pages = arena_with_pages();
	limit = budget_limit(pages, bytes);
	room = limit - min_size(limit, pages);
	if (room < bytes)
		return false;
	if (tally_read(&arena_counters.x_retained) > room - bytes && os_takes_pages())
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
	for (unsigned index = arena_find_free(0); index < ARENAS_MAX;
	     index = arena_find_free(index + 1)) {
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

/* May it help a request to unmap the arenas without pools?  There have to be some; and it may be no
 * larger than what the process may have, or, without a limit, than all that is mapped: address
 * space that is missing by so much is not what they have. */
static bool may_unmap(size_t bytes)
{
	size_t limit = os_space_limit();

	if (arena_find_free(0) == ARENAS_MAX && retire_waiting() == 0)
		return false;
	return bytes <= (limit == SIZE_MAX ? load_relaxed(&arena_counters.x_mapped) : limit);
}

/* The system has no address space for a new arena of so many bytes, or the table has no entry.
 * Those of arenas without pools may be what is missing, so these are unmapped.  Pages would not
 * help, so they stay with the heaps that keep them.  true: it is worth to try once more. */
static bool unmap_for(size_t bytes)
{
	if (!may_unmap(bytes) && !BUG(unmap_in_vain))
		return false;
	unmap_empty();
	return true;
}

/* Is this more than there are addresses, beside those that are in use? */
static bool is_impossible(size_t slices)
{
	size_t addresses = (size_t)1 << (ADDRESS_BITS - SLICE_SHIFT);

	return slices >= addresses - tally_read(&arena_counters.x_claimed) / SLICE;
}

static void note_claim(size_t slices, struct run *run)
{
	budget_take(slices * SLICE);
	retain_note_use();
	run->growth = peak_make_up(run);
	retire_poll();
}

/* true: the slices are the caller's.  false: there is no memory for them, or no address space. */
static bool claim_or_unmap(size_t slices, struct run *run)
{
	return claim_slices(slices, run) ||
	       (unmap_for(slices * SLICE) && claim_slices(slices, run));
}

/* First the limit is asked, then the arenas that are there, then retired and new ones, and at last
 * what can be unmapped.  After a claim the peak is looked at, and a few retired arenas are
 * unmapped.  false: there is no memory, or the limit does not admit it. */
bool supply_claim(size_t slices, struct run *run)
{
	if (is_impossible(slices) || !supply_admits(slices * SLICE))
		return false;
	if (!claim_or_unmap(slices, run))
		return false;
	note_claim(slices, run);
	return true;
}

/* No arena that is there serves, so one is mapped. */
static bool add_aligned(size_t slices, size_t alignment, struct run *run)
{
	return !registry_is_full() && add_huge(slices, ARENA_SLICES - ARENA_HEAD, alignment, run);
}

/* The address space that is asked for is that of the block and of the search for its place. */
bool supply_claim_aligned(size_t slices, size_t alignment, struct run *run)
{
	if (alignment / SLICE > PTRDIFF_MAX / SLICE - slices ||
	    is_impossible(slices + alignment / SLICE) || !supply_admits(slices * SLICE))
		return false;
	if (!add_aligned(slices, alignment, run) &&
	    !(unmap_for(slices * SLICE + alignment) && add_aligned(slices, alignment, run)))
		return false;
	note_claim(slices, run);
	return true;
}

bool supply_claim_at(struct arena *arena, unsigned first, unsigned slices, struct run *run)
{
	if (!supply_admits(slices * SLICE) || !arena_claim_at(arena, first, slices, run))
		return false;
	run->growth = peak_make_up(run);
	return true;
}

/* The slices are free as soon as arena_release has set their bits; the arena may retire at once, in
 * another thread, so the rest happens in a section.  retain.h hears of a drop when more than the
 * base is free.  If the arena is free now it retires, unless it is kept.  Purging and unmapping
 * come last, outside of the section: they may take a while, and a grace period need not wait for
 * them. */
void supply_release(struct arena *arena, unsigned first, size_t slices, size_t dirty)
{
	bool is_free;

	reclaim_enter();
	is_free = arena_release(arena, first, slices, dirty);
	if (is_free)
		retire_if_spare(arena);
	reclaim_exit();
	purge_excess(slices * SLICE);
	retire_poll();
	/* A free slice counts whole, where a pool counted its pages: purge what the limit lacks. */
	supply_admits(0);
}

/* Releases what a run has before and behind the n slices from `first` on.  Which of its slices have
 * pages is not known any more, so if some have, all are taken to. */
static void cut_run(struct run *run, unsigned first, size_t n)
{
	size_t head = first - run->first, tail = run->slices - head - n;
	bool clean = run->clean == run->slices;

	if (head)
		supply_release(run->arena, run->first, head, clean ? 0 : head);
	if (tail)
		supply_release(run->arena, first + (unsigned)n, tail, clean ? 0 : tail);
	*run = (struct run){ run->arena, first, n, clean ? n : 0, 0 };
}

/* More slices are claimed than are wanted, and those before and behind them are released at once,
 * before anything is counted: only those that stay are admitted, and only they are growth. */
bool supply_claim_padded(size_t slices, size_t alignment, struct run *run)
{
	size_t padded = supply_padded(slices, alignment);

	if (!supply_admits(slices * SLICE) || !claim_or_unmap(padded, run))
		return false;
	cut_run(run, (unsigned)align_up(run->first, alignment / SLICE), slices);
	note_claim(slices, run);
	return true;
}

/* Nothing is kept for reuse any more: the pages of all free slices go back, all free arenas retire,
 * and the credit ends.  That comes last, so that a program is not charged for what it has asked to
 * give back. */
size_t supply_trim(void)
{
	size_t done = purge_to(0);

	unmap_empty();
	retain_forget();
	return done;
}
