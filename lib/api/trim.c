/* SPDX-License-Identifier: MIT
 *
 * trim.c - arn_trim: give back to the system all that can be given back.  Any thread may call it,
 * and no other thread is stopped.
 *
 *     the caller's heaps, orphans     pool caches, remote words, free pages of pools, empty pools
 *     other threads' heaps            pages that nothing but blocks in remote words lies on; their
 *                                     owner is asked for the rest, and answers in its next slow
 *                                     path, or when a collector comes
 *     empty pools that wait           all whose readers are done; of the others, the pages
 *     free slices, empty arenas       all
 *
 * Heaps of a family that has a provider are touched by users of that family alone: a thread that is
 * not one may run while the family's heaps are walked.
 * Progress    lock-free.  A caller that is stopped here keeps an orphan, or the remote blocks of a
 *             pool, from others.
 */
#include "api/trim.h"

#include "arena/budget.h"
#include "base/usdt.h"
#include "heap/cache.h"
#include "heap/family.h"
#include "heap/trim-heap.h"
#include "heap/limbo.h"
#include "heap/stock.h"
#include "base/option.h"
#include "os/os.h"
#include "arena/supply.h"
#include "arena/reclaim.h"
#include "heap/remote.h"
#include "arena/retire.h"
#include "heap/sweep.h"
#include "heap/thread.h"

/* The bytes of the blocks in the heap's pool cache. */
static size_t cached_bytes(const struct heap *heap)
{
	size_t bytes = 0;

	for (unsigned cls = 0; cls < CLASSES; cls++)
		bytes += cache_count(heap, cls) * sizeclasses[cls].size;
	return bytes;
}

/*
 * Another thread owns the heap and may be anywhere in malloc or free, so its heap cannot be
 * touched.  It is asked to trim the heap itself, in its next slow path; what that may bring is
 * reported as asked_bytes.
 */
static void ask_owner(struct heap *heap, struct arn_trimmed *to)
{
	store_relaxed(&heap->x_trim, true);
	to->asked_heaps++;
	to->asked_bytes += cached_bytes(heap) + load_relaxed(&heap->x_unswept);
}

/*
 * Does the caller come from a slow path of this very heap (trim_for_limit)?  Then it has trimmed
 * the heap already.
 */
static bool is_busy_here(const struct heap *heap)
{
	return load_relaxed(&heap->x_busy) == owner_self();
}

/*
 * Trim one heap as far as the caller may.  Its own heap is trimmed here, inside the marks of a slow
 * path, if the caller is a user of the heap's family.  An orphan is taken for a moment
 * (family_trim).  If somebody else has that orphan just now, or if the heap has an owner, the heap
 * is left alone and its owner is asked.  A stranded heap stays as it is.
 */
static void trim_heap(struct heap *heap, struct arn_trimmed *to)
{
	uintptr_t owner = load_relaxed(&heap->x_owner);

	stock_give_back(heap);
	if (owner == OWNER_STRANDED || is_busy_here(heap))
		return;
	if (owner == owner_self() && family_is_user(heap->family)) {
		heap_enter(heap);
		heap_trim(heap);
		heap_exit(heap);
	} else if (owner > OWNER_DRAINING || !family_trim(heap)) {
		ask_owner(heap, to);
		return;
	}
	to->trimmed_heaps++;
}

/*
 * Trim all heaps, family by family.  Trimming makes pools fall empty, and hands over those that
 * wait with their heaps, so the pools that wait for readers come after the heaps: those whose
 * readers are done go, and the others give back their pages.
 */
static void trim_heaps(struct arn_trimmed *to)
{
	for (arn_family *family = family_first(); family;
	     family = load_acquire(&family->x_next)) { /* F1 */
		for (struct heap *heap = load_acquire(&family->x_heaps); heap;
		     heap = heap->next) /* F1 */
			trim_heap(heap, to);
		limbo_poll_all(family, false);
		limbo_purge(family);
	}
}

/*
 * Give back the pages of one arena on which there are only blocks that were freed by others and
 * that their owner has not taken home.
 */
static void trim_arena(struct arena *arena)
{
	for (unsigned slice = ARENA_HEAD; slice < ARENA_END; slice++)
		if (load_relaxed(&arena->pool[slice].x_heap))
			remote_sweep(arena, slice);
}

/*
 * The same for all arenas.  Each is looked at in a section of its own, so that it stays mapped
 * meanwhile and a caller that is stopped here holds up as little as possible.
 */
static void trim_remote(void)
{
	for (unsigned index = 0; index < registry_count(); index++) {
		struct arena *arena;

		reclaim_enter();
		arena = registry_entry(index);
		if (arena && !arena->huge)
			trim_arena(arena);
		reclaim_exit();
	}
}

/* The bytes that a request may need at most: a new pool of its class, or whole slices. */
static size_t needed(size_t size)
{
	return size > SMALL_MAX ? align_up(size, SLICE)
	                        : sizeclasses[sizeclass_of(size)].slices * SLICE;
}

/*
 * The kernel's count may have fallen since the last look, so that is looked at first.  Then what is
 * near comes first, because each further step looks at more of what other threads have.  A request
 * that is larger than the limit itself is hopeless, and nothing is given back for it.
 */
bool trim_for_limit(struct heap *heap, size_t size)
{
	struct arn_trimmed unused = { 0 };

	if (!budget_is_bounded())
		return false;
	if (budget_is_watched()) {
		budget_look();
		if (supply_admits(needed(size)))
			return true;
	}
	if (size > budget_limit(0, size))
		return false;
	remote_flush();
	heap_trim(heap);
	if (supply_admits(needed(size)))
		return true;
	trim_heaps(&unused);
	if (!supply_admits(needed(size)))
		trim_remote();
	return true;
}

/*
 * All steps in turn; free slices come last, since the steps before make more of them.  The sums are
 * differences of the process's counters, so what other threads give back meanwhile is in them.
 */
static void trim(struct arn_trimmed *to)
{
	size_t purged = load_relaxed(&arena_counters.x_purged),
	       mapped = load_relaxed(&arena_counters.x_mapped);

	remote_flush();
	trim_heaps(to);
	trim_remote();
	supply_trim();
	to->returned_bytes = load_relaxed(&arena_counters.x_purged) - purged;
	to->unmapped_bytes = mapped - min_size(mapped, load_relaxed(&arena_counters.x_mapped));
	to->retired_bytes = retire_waiting();
	usdt_trim(to->returned_bytes, to->unmapped_bytes);
}

void arn_trim_report(struct arn_trimmed *report, size_t size)
{
	struct arn_trimmed trimmed = { 0 };

	trim(&trimmed);
	fill_struct(report, size, &trimmed, sizeof(trimmed));
}

size_t arn_trim(void)
{
	struct arn_trimmed trimmed = { 0 };

	trim(&trimmed);
	return trimmed.returned_bytes;
}
