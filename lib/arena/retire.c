/* SPDX-License-Identifier: MIT */
#include "arena/retire.h"

#include "os/os.h"
#include "arena/reclaim.h"
#include "arena/retain.h"

static _Atomic(struct arena *) x_retired; /* L1 */
static _Atomic size_t x_waiting;          /* bytes, the batch included */

/* of whoever has x_taken */
static _Atomic bool x_taken; /* L2 */
static struct arena *batch;
static struct reclaim_grace grace;

static void push_retired(struct arena *arena)
{
	struct arena *head = load_relaxed(&x_retired);

	add_relaxed(&x_waiting, arena_size(arena));
	do {
		arena->next_retired = head;
		arn_yield_point("retire_push");
	} while (!cas_release(&x_retired, &head, arena)); /* L1 */
}

bool retire_arena(struct arena *arena)
{
	struct run run;
	size_t body;

	if (!arena_claim_whole(arena, &run))
		return false;
	body = run.slices * SLICE;
	arn_yield_point("retire_claimed");
	sub_relaxed(&arena_counters.x_claimed, body);
	arena->retired_clean = run.clean == run.slices;
	if (!arena->retired_clean && os_purge(arena_body(arena), body) == 0) {
		arena->retired_clean = true;
		arena_count_purge(body - run.clean * SLICE);
	}
	registry_hide(arena, arena->index);
	push_retired(arena);
	return true;
}

static bool is_fit(const struct arena *arena, size_t slices)
{
	size_t room = arena_room(arena);

	if (!arena->retired_clean || arena->huge != (slices > LARGE_SLICES))
		return false;
	return room >= slices && (!arena->huge || room / 2 <= slices);
}

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

static size_t count_free(void)
{
	size_t n = 0;

	for (unsigned index = 0; index < registry_count(); index++) {
		struct arena *arena = registry_entry(index);

		n += arena && arena_is_free(arena);
	}
	return n;
}

/* One arena to swing in, and what may be kept; not what is left of one whose pages have moved
 * (large.h). */
static bool is_spare(const struct arena *arena)
{
	if (arena->huge)
		return retain_is_exceeded(0) || arena_room(arena) <= LARGE_SLICES;
	return count_free() > 1 + retain_for_slices() / ARENA_SIZE;
}

void retire_if_spare(struct arena *arena)
{
	if (is_spare(arena))
		retire_arena(arena);
}

static void unmap_retired(struct arena *arena)
{
	size_t size = arena_size(arena);

	arena_say("unmapped arena ", arena);
	registry_remove(arena);
	sub_relaxed(&arena_counters.x_mapped, size);
	sub_relaxed(&x_waiting, size);
	/* On failure it stays mapped and unused: at most address space is lost, for its pages are
	 * purged. */
	os_unmap(arena, size);
}

/* There is a batch whose readers are done. */
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

/* A reader's section is a few loads: some tries find nearly all of them outside. */
void retire_all(void)
{
	for (unsigned tries = 0; tries < 100 && load_relaxed(&x_waiting) != 0; tries++)
		step_batch(UINT32_MAX);
}

size_t retire_waiting(void)
{
	return load_relaxed(&x_waiting);
}

/* A batch that a thread of the parent was at work on is in an unknown state: it stays where it
 * is. */
void retire_fork_child(void)
{
	if (!load_relaxed(&x_taken))
		return;
	batch = NULL;
	store_relaxed(&x_taken, false);
}
