/* SPDX-License-Identifier: MIT */
#include "heap/tend.h"

#include "arena/peak.h"
#include "arena/purge.h"
#include "heap/empty.h"
#include "heap/family.h"
#include "heap/idle.h"
#include "heap/limbo.h"
#include "heap/pending.h"
#include "heap/remote.h"
#include "heap/stock.h"
#include "heap/wait.h"
#include "arena/retain.h"
#include "os/os.h"

/* Is there anything to do for this heap?  Its queued pools, unless they have been looked after
 * already.  Those that have (x_swept) are done, until more is freed to the heap or it has lost its
 * owner, so that its pools can be drained. */
static bool has_work(const struct heap *heap)
{
	if (load_relaxed(&heap->x_pending))
		return true;
	return load_relaxed(&heap->x_swept) &&
	       (load_relaxed(&heap->x_freed) || load_relaxed(&heap->x_owner) == OWNER_NONE);
}

/* Does another heap keep slices or pools for itself?  The caller looks after its own (stock_tend).
 */
static bool has_stock(const struct heap *heap, const struct heap *self)
{
	return heap != self && (load_relaxed(&heap->x_grant) != 0 || wait_has_some(heap));
}

/* Drains another heap of the caller's, which it does not use just now.  If the caller is in the
 * middle of a slow path of that heap, it is left alone. */
static void take_home(struct heap *heap)
{
	if (load_relaxed(&heap->x_busy))
		return;
	heap_begin(heap);
	remote_drain(heap);
	heap_end(heap);
}

/* Is there an owner that may come back to this heap? */
static bool is_owners(uintptr_t owner)
{
	return owner >= OWNER_FIRST || owner == OWNER_PASSED;
}

static void tend_heap(struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner);

	if (owner == OWNER_NONE)
		family_drain_orphan(heap);
	else if (owner == owner_self())
		take_home(heap);
	else if (is_owners(owner))
		remote_look_after(heap, true);
}

/* The heap to look at after this one: of the same family, or of all families, and once around.  A
 * family of which no heap was made yet is passed over. */
static struct heap *next_heap(const struct heap *heap, bool all)
{
	arn_family *family = heap->family;
	struct heap *next = heap->next;

	while (!next) {
		if (all)
			family = load_acquire(&family->x_next); /* F1 */
		if (!family)
			family = family_first();
		next = load_acquire(&family->x_heaps); /* F1 */
	}
	return next;
}

/* Where the next look begins: behind the heap that this heap's owner looked at last.  Each heap
 * begins at itself, so that threads look at different heaps, and write to nothing that others
 * share. */
static struct heap *last_looked_at(struct heap *self, bool all)
{
	struct heap *last = self->tended;

	return last && (all || last->family == self->family) ? last : self;
}

/* May the owner of `self` look after this heap, as a user of its family? */
static bool is_ours(const struct heap *heap, const struct heap *self)
{
	return heap->family == self->family && family_is_user(self->family);
}

/* Looks for an idle heap with work, once around at most.  Of another family it is one that keeps
 * something for itself. */
static struct heap *find_idle(struct heap *self, bool all)
{
	struct heap *last = last_looked_at(self, all), *heap = last;
	unsigned least = retain_is_exceeded(pending_bytes()) ? HEAP_IDLE_FULL : HEAP_IDLE;
	bool found = false;
	unsigned n = 0;

	do {
		heap = next_heap(heap, all);
		found = ((is_ours(heap, self) && has_work(heap)) || has_stock(heap, self)) &&
		        heap_is_idle(heap, least);
	} while (!found && heap != last && ++n < TEND_LOOK);
	self->tended = heap;
	return found ? heap : NULL;
}

/* Looks at heaps of all families where more is kept than may be, and else at those of this one.
 * Returns whether there was anything to do. */
static bool tend_one(struct heap *self)
{
	bool all = retain_is_exceeded(0) && !BUG(tend_family_only);
	struct heap *heap;

	if (BUG(look_away) || (!all && !family_is_user(self->family)))
		return false;
	heap = find_idle(self, all);
	if (!heap)
		return false;
	if (has_stock(heap, NULL))
		stock_give_back(heap);
	if (is_ours(heap, self))
		tend_heap(heap);
	return true;
}

/* Free slices and pools that wait, if more of them is kept than may be.  Pools wait in the family
 * of the heap that was looked at last, too (tend_one). */
static bool purge_kept(struct heap *self)
{
	if (!retain_is_exceeded(0) || !os_takes_pages())
		return false;
	purge_excess(0);
	limbo_purge_excess(self->family);
	if (self->tended && self->tended->family != self->family)
		limbo_purge_excess(self->tended->family);
	return true;
}

/* When the process has grown beyond its peak, what is kept goes back first. */
static bool make_room(struct heap *self)
{
	size_t growth = peak_look();

	if (growth)
		empty_make_room(self, growth);
	return growth != 0;
}

/* Every part of this is a little work for others, bounded, and done only if it is due: a purge, one
 * stack of the limbo, one idle heap.  To find out that nothing is due costs some cache misses for
 * each heap that is looked at, and hundreds of threads would do it one after the other.  So a call
 * in vain is the last one until the clock has gone on. */
void tend_family(struct heap *self)
{
	arn_family *family = self->family;
	unsigned now = os_milliseconds();
	bool was_due;

	empty_poll(self);
	if (load_relaxed(&family->x_vain) == now && !BUG(look_on))
		return;
	was_due = purge_kept(self);
	was_due |= make_room(self);
	if (tally_read(&arena_counters.x_limbo) > LIMBO_SPACE)
		was_due |= limbo_poll_space(family);
	was_due |= tend_one(self);
	if (!was_due)
		store_relaxed(&family->x_vain, now);
}
