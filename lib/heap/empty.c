/* SPDX-License-Identifier: MIT */
#include "heap/empty.h"

#include "heap/limbo.h"
#include "heap/stock.h"
#include "heap/sweep.h"
#include "heap/wait.h"

/* ---- waiting --------------------------------------------------------------------------------- */

/* Pools without pages are not taken again, and without a goal they cannot be released: such pools
 * go to the family. */
static bool may_stay(struct heap *heap, const struct pool *pool)
{
	return stock_admits(heap, pool_span(pool)) && !wait_is_full(heap) &&
	       sweep_resident(pool) > 0 && family_is_user(heap->family);
}

/* For so many bytes it is always worth to ask. */
#define LARGE_WAIT (MIB / 2)

/* Some older pools are released first: otherwise they might come faster than they leave.  The goal
 * is taken after all blocks were freed. */
static void let_wait(struct heap *heap, struct pool *pool)
{
	if (pool_span(pool) >= LARGE_WAIT)
		heap->wait_skip = 0;
	empty_poll(heap);
	if (may_stay(heap, pool)) {
		limbo_begin(heap->family, pool);
		wait_push(heap, pool);
	} else {
		limbo_add(heap->family, pool);
	}
}

void empty_add(struct heap *heap, struct pool *pool)
{
	if (heap->deferred)
		let_wait(heap, pool);
	else
		stock_release(heap, pool);
}

/* A heap whose pools never wait has none to look for.  One that takes its pools from the family
 * might have kept them. */
struct pool *empty_take(struct heap *heap, unsigned cls, size_t slices)
{
	struct pool *pool = heap->deferred ? wait_take(heap, cls, slices) : NULL;

	if (pool || !heap->deferred)
		return pool;
	pool = limbo_take(heap->family, heap->tag, cls, slices);
	if (pool)
		stock_miss(heap);
	return pool;
}

/* ---- releasing ------------------------------------------------------------------------------- */

/* The goals of a list rise from the oldest pool to the newest one.  So nothing is taken before the
 * lowest one is reached, and the first that is not reached ends it.  What remains is put back
 * before slices are released, so that a thread which is stopped in that keeps less.  Returns
 * whether any pool was released. */
static bool poll_own(struct heap *heap)
{
	struct pool *pool[WAIT_POOLS];
	unsigned all, n;

	if (!wait_has_some(heap) || !limbo_is_over(heap->family, heap->wait_goal))
		return false;
	n = all = wait_take_all(heap, pool);
	while (n > 0 && limbo_is_over(heap->family, pool[n - 1]->goal))
		n--;
	wait_put_back(heap, pool, n);
	for (unsigned i = all; i > n; i--)
		stock_release(heap, pool[i - 1]);
	return n < all;
}

/* To ask whether a goal is reached may cost a look at every thread.  After each poll in vain twice
 * as many calls are passed over as before, up to this number.  It is the larger the more heaps
 * there are: all of their owners ask, and each look takes longer. */
static size_t skip_most(void)
{
	size_t heaps = BUG(ask_on) ? 0 : heap_count();

	return min_size(8 + heaps / 32, UINT8_MAX);
}

void empty_poll(struct heap *heap)
{
	bool own;

	if (likely(!wait_has_some(heap) && !limbo_has_some(heap->family)))
		return;
	if (!family_is_user(heap->family))
		return;
	if (heap->wait_skip > 0) {
		heap->wait_skip--;
		return;
	}
	own = poll_own(heap);
	if (limbo_poll(heap->family) || own)
		heap->wait_skips = 0;
	else
		heap->wait_skips = (uint8_t)min_size(2 * heap->wait_skips + 1, skip_most());
	heap->wait_skip = heap->wait_skips;
}

void empty_poll_all(struct heap *heap)
{
	if (!family_is_user(heap->family))
		return;
	poll_own(heap);
	limbo_poll_all(heap->family, false);
}

/* If more is resident than ever, and what was free elsewhere did not make up for that, what the
 * heap keeps for itself goes where it is given back with the rest.  A heap that grows has mostly
 * nothing, and its grant stays then: to lower it writes to sums that all threads share. */
void empty_make_room(struct heap *heap, size_t growth)
{
	if (growth > 0 && BUG(grow_beside_stock))
		wait_hand_over(heap);
	else if (growth > 0 && (stock_bytes(heap) || wait_has_some(heap)))
		stock_give_back(heap);
	limbo_make_room(growth);
}
