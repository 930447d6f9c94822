/* SPDX-License-Identifier: MIT */
#include "heap/grant.h"

#include "arena/arena.h"
#include "arena/retain.h"
#include "os/os.h"

/* The most that one heap keeps: four buffers of 1 MiB. */
#define GRANT_MAX (4 * MIB)
/* A heap has earned a grant when it has so often claimed what it had released. */
#define EARNED 4u
/* And it may borrow when it did so 64 times in STOCK_WINDOW slow paths, which took no longer than
 * BUSY_MS.  It repays what it has borrowed when they take longer than IDLE_MS: a program that works
 * in bursts would else pay for its pages after each pause. */
#define BUSY    64u
#define BUSY_MS 8u
#define IDLE_MS RETAIN_PAUSE

void grant_note_miss(struct heap *heap)
{
	heap->grant_missed += heap->grant_missed < UINT8_MAX;
}

bool grant_is_earned(const struct heap *heap)
{
	return heap->grant_missed >= EARNED;
}

/* ---- raising --------------------------------------------------------------------------------- */

/* With so much more beside what is borrowed: are all grants within half of what may be kept, and is
 * all that is kept no more than may be? */
static bool is_within(size_t more)
{
	size_t granted = load_relaxed(&arena_counters.x_granted);

	granted -= min_size(granted, retain_borrowed());
	return granted + more <= retain_for_grants() && !retain_is_exceeded(more);
}

/* The bytes are counted first, and looked at again after that, so that threads which do so at the
 * same time do not keep too much together.  false: there is no room for them. */
static bool raise_grant(struct heap *heap, size_t bytes)
{
	if (!is_within(bytes))
		return false;
	add_relaxed(&arena_counters.x_granted, bytes);
	if (!is_within(0)) {
		sub_relaxed(&arena_counters.x_granted, bytes);
		return false;
	}
	add_relaxed(&heap->x_grant, bytes);
	return true;
}

static bool borrow(struct heap *heap, size_t bytes)
{
	if (!heap->grant_busy || !retain_borrow(bytes))
		return false;
	add_relaxed(&arena_counters.x_granted, bytes);
	add_relaxed(&heap->x_borrowed, bytes);
	add_relaxed(&heap->x_grant, bytes);
	return true;
}

bool grant_admits(struct heap *heap, size_t bytes)
{
	size_t grant = load_relaxed(&heap->x_grant);

	if (bytes <= grant)
		return true;
	if (bytes > GRANT_MAX || !grant_is_earned(heap))
		return false;
	return raise_grant(heap, bytes - grant) || borrow(heap, bytes - grant);
}

/* ---- lowering -------------------------------------------------------------------------------- */

/* Takes up to `bytes` from a sum of the heap, and returns how much.  The exchange decides who takes
 * what, if another thread does the same. */
static size_t take_from(_Atomic size_t *x_sum, size_t bytes)
{
	size_t had = exchange_acquire(x_sum, 0), taken = min_size(had, bytes);

	if (had > taken)
		add_relaxed(x_sum, had - taken);
	return taken;
}

/* What is borrowed is repaid first. */
void grant_lower(struct heap *heap, size_t keep)
{
	size_t grant = load_relaxed(&heap->x_grant), taken;

	if (grant <= keep)
		return;
	taken = take_from(&heap->x_grant, grant - keep);
	sub_relaxed(&arena_counters.x_granted, taken);
	if (load_relaxed(&heap->x_borrowed) != 0)
		retain_repay(take_from(&heap->x_borrowed, taken));
}

bool grant_rest(struct heap *heap, size_t kept)
{
	unsigned now = os_milliseconds(), took = os_age(now, heap->grant_begun);

	heap->grant_begun = now;
	heap->grant_busy = took <= BUSY_MS && heap->grant_missed >= BUSY;
	grant_lower(heap, heap->grant_most);
	heap->grant_most = kept;
	heap->grant_missed /= 2;
	return took > IDLE_MS && load_relaxed(&heap->x_borrowed) != 0 && !BUG(borrow_for_ever);
}
