/* SPDX-License-Identifier: MIT */
#include "arena/retire.h"

#include "base/usdt.h"
#include "os/os.h"
#include "arena/reclaim.h"
#include "arena/retain.h"

static _Atomic(struct arena *) x_retired; /* L1 */
static _Atomic size_t x_waiting;          /* bytes of address space, the batch included */

/* These belong to the thread that has set x_taken: the batch, and the grace period for its
 * readers. */
static _Atomic bool x_taken; /* L2 */
static struct arena *batch;
static struct reclaim_grace grace;

/* The arena is counted before it is pushed, because another thread may unmap it at once. */
static void push_retired(struct arena *arena)
{
	struct arena *head = load_relaxed(&x_retired);

	add_relaxed(&x_waiting, arena_size(arena));
	do {
		arena->next_retired = head;
		arn_yield_point("retire_push");
	} while (!cas_release(&x_retired, &head, arena)); /* L1 */
}

void retire_claimed(struct arena *arena, bool clean)
{
	arena->retired_clean = clean;
	if (arena->lead)
		registry_hide_body(arena);
	registry_hide(arena, arena->index);
	push_retired(arena);
}

/* Claims all slices of the arena, purges them, hides the arena, and pushes it onto the list.  Once
 * all is claimed, no thread can get a pool there; once it is hidden, none finds it.  false: a slice
 * is claimed by another thread, and nothing has changed.  If the system does not take the pages,
 * the arena retires with them: then it is not taken back into use, because its memory is not
 * zero. */
bool retire_arena(struct arena *arena)
{
	struct run run;
	size_t body;
	bool clean;

	if (!arena_claim_whole(arena, &run))
		return false;
	body = run.slices * SLICE;
	arn_yield_point("retire_claimed");
	tally_sub(&arena_counters.x_claimed, body);
	clean = run.clean == run.slices;
	if (!clean && os_purge(arena_body(arena), body) == 0) {
		clean = true;
		retain_note_gone(body - run.clean * SLICE);
	}
	retire_claimed(arena, clean);
	return true;
}

/* Is it clean, of the right kind, and large enough; and if huge, not much larger? */
static bool is_fit(const struct arena *arena, size_t slices)
{
	size_t room = arena_room(arena);

	if (!arena->retired_clean || arena->huge != (slices > LARGE_SLICES) || arena->lead)
		return false;
	return room >= slices && (!arena->huge || room / 2 <= slices);
}

/* Takes the whole list, looks for the first arena that fits, and pushes the others back.  A batch
 * that waits for its grace period is not looked at.  Meanwhile other threads find an empty list,
 * and map a new arena if they need one.  Earlier readers may still look at the arena: it stays
 * mapped, so they find free slices or later pools, as in any arena.  NULL: none fits, or the
 * table is full. */
struct arena *retire_take_back(size_t slices)
{
	struct arena *list, *found = NULL;

	if (load_relaxed(&x_retired) == NULL)
		return NULL;
	list = exchange_acquire(&x_retired, NULL); /* L1 */
	while (list) {
		struct arena *arena = list;

		list = arena->next_retired;
		sub_relaxed(&x_waiting, arena_size(arena));
		if (!found && is_fit(arena, slices))
			found = arena;
		else
			push_retired(arena);
	}
	if (found && !registry_add(found, &found->index)) {
		push_retired(found);
		return NULL;
	}
	return found;
}

/* Is this free arena one too many?  A shared arena is, if there are more than one to swing in and
 * those that may be kept.  A huge one is, if more is kept than may be, if it is what was left when
 * its pages moved (large.h), or if its body is further on: it serves no other block. */
static bool is_spare(const struct arena *arena)
{
	if (arena->huge)
		return retain_is_exceeded(0) || arena_room(arena) <= LARGE_SLICES || arena->lead;
	return arena_free_count() > 1 + retain_for_slices() / ARENA_SIZE;
}

/* How many slices of a shared arena may have pages. */
static size_t dirty_slices(const struct arena *arena)
{
	size_t n = 0;

	for (unsigned word = 0; word < ARENA_WORDS; word++)
		n += count_bits(load_relaxed(&arena->x_dirty[word]));
	return n;
}

/* Giving back the pages of a whole arena takes milliseconds, and no call should take as long.  An
 * arena that has many of them stays until the batches of purge.c have made it clean. */
static bool takes_long(const struct arena *arena)
{
	if (BUG(retire_at_once))
		return false;
	return !arena->huge && dirty_slices(arena) * SLICE > RETIRE_DIRTY;
}

void retire_if_spare(struct arena *arena)
{
	if (is_spare(arena) && !takes_long(arena))
		retire_arena(arena);
}

static void unmap_retired(struct arena *arena)
{
	size_t size = arena_size(arena);

	arena_say("unmapped arena ", arena);
	usdt_arena_unmap(arena, size);
	registry_remove(arena);
	sub_relaxed(&arena_counters.x_mapped, size);
	sub_relaxed(&x_waiting, size);
	/* If the system refuses, the arena stays mapped and unused.  Only address space is lost,
	 * because its pages have gone back. */
	os_unmap(arena, size);
}

/* The caller has x_taken.  Without a batch the whole list becomes one, and its grace period begins;
 * if the system refuses the barrier, that is tried again next time.  Returns whether there is a
 * batch whose readers are done. */
static bool is_ready(void)
{
	if (!batch) {
		batch = exchange_acquire(&x_retired, NULL); /* L1 */
		grace.begun = false;
	}
	if (batch && !grace.begun)
		reclaim_grace_begin(&grace);
	arn_yield_point("retire_batch");
	return batch && reclaim_grace_over(&grace);
}

/* Unmaps up to `most` arenas of the batch; the rest of it is for the next call. */
static unsigned unmap_up_to(unsigned most)
{
	unsigned n = 0;

	if (!is_ready())
		return 0;
	for (; batch && n < most; n++) {
		struct arena *arena = batch;

		batch = arena->next_retired;
		unmap_retired(arena);
	}
	return n;
}

/* One thread at a time works on the batch.  Another one that comes meanwhile leaves at once: nobody
 * waits for a grace period.  A thread that is stopped in here keeps the batch; what retires later
 * is in the list, where retire_take_back finds it. */
static unsigned step_batch(unsigned most)
{
	bool taken = false;
	unsigned n;

	if (!cas_acq_rel(&x_taken, &taken, true)) /* L2 */
		return 0;
	n = unmap_up_to(most);
	store_release(&x_taken, false); /* L2 */
	return n;
}

void retire_poll(void)
{
	if (unlikely(load_relaxed(&x_waiting) != 0))
		step_batch(RETIRE_STEP);
}

/* A section of a reader is a few loads, so nearly all readers are found outside within some tries.
 * A batch whose readers are not done by then is left for retire_poll. */
void retire_all(void)
{
	for (unsigned tries = 0; tries < 100 && load_relaxed(&x_waiting) != 0; tries++)
		step_batch(UINT32_MAX);
}

size_t retire_waiting(void)
{
	return load_relaxed(&x_waiting);
}

/* A batch that a thread of the parent was at work on is in an unknown state.  It stays mapped and
 * is forgotten: the child loses address space. */
void retire_fork_child(void)
{
	if (!load_relaxed(&x_taken))
		return;
	batch = NULL;
	store_relaxed(&x_taken, false);
}
