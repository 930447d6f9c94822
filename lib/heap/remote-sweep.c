/* SPDX-License-Identifier: MIT
 *
 * remote-sweep.c - pages of blocks that others have freed go back before the owner drains them.
 *
 * The bits are taken out of a pool's remote words, so that its blocks are the caller's; the pages
 * that nothing else lies on go back; then the bits are sent again, as if the blocks had been freed
 * just now.
 */
#include "heap/remote.h"

#include "heap/pending.h"
#include "heap/queued.h"
#include "heap/sweep.h"

/* Takes the bits out of the words.  false: there were none; then the descriptor may be that of any
 * pool, and must not be looked at. */
static bool take_remote(_Atomic uint64_t *x_remote, uint64_t *freed)
{
	uint64_t any = 0;

	for (unsigned word = 0; word < POOL_WORDS; word++) {
		freed[word] = load_relaxed(&x_remote[word]);
		if (freed[word])
			freed[word] = exchange_seq(&x_remote[word], 0); /* R1, R2 */
		any |= freed[word];
	}
	return any != 0;
}

/* The bits of this word that are blocks of the pool.  Bits behind the last block must not count as
 * blocks that keep a page. */
static uint64_t blocks_of(const struct pool *pool, unsigned word)
{
	unsigned before = word * 64;

	return pool->capacity > before ? bit_run(0, (unsigned)min_size(pool->capacity - before, 64))
	                               : 0;
}

/* The caller has taken these bits out of the pool's words, so their blocks are its own.  It gives
 * back pages and sets the bits again by remote_send, which queues the pool if a drain has unqueued
 * it meanwhile.  A drain in between finds fewer bits, and the pool is not empty for it. */
static void sweep_taken_out(struct pool *pool, const uint64_t *freed)
{
	uint64_t others[POOL_WORDS];

	arn_yield_point("sweep_remote");
	for (unsigned word = 0; word < POOL_WORDS; word++)
		others[word] = ~freed[word] & blocks_of(pool, word);
	sweep_freed(pool, others);
	for (unsigned word = 0; word < POOL_WORDS; word++)
		if (freed[word])
			remote_send(pool, word, freed[word]);
}

void remote_sweep(struct arena *arena, unsigned slice)
{
	uint64_t freed[POOL_WORDS];

	if (take_remote(arena->x_remote[REMOTE_PLAIN][slice], freed))
		sweep_taken_out(&arena->pool[slice], freed);
}

/* The same for a pool that the caller has taken out of a list.  It is queued, so its descriptor
 * stays what it is, and its words may be of either kind, since no collector walks meanwhile. */
static void sweep_queued(struct pool *pool)
{
	uint64_t freed[POOL_WORDS];

	if (take_remote(load_relaxed(&pool->x_remote), freed))
		sweep_taken_out(pool, freed);
}

/* ---- for an owner that waits ----------------------------------------------------------------- */

#define LOOK_AFTER 16u /* pools at a time */

/* Queued pools return to the list that they were taken from.  The list is exchanged as a whole; the
 * pools that were pushed meanwhile, which are few, are then pushed one by one. */
static void give_back_list(struct heap *heap, struct pool *list)
{
	struct pool *pool = exchange_acq_rel(&heap->x_pending, list); /* R3 */

	while (pool) {
		struct pool *next = load_relaxed(&queue_entry(pool)->x_next);

		remote_push(&heap->x_pending, pool);
		pool = next;
	}
}

/* Takes the list of pending pools, sweeps up to LOOK_AFTER of them, and pushes these onto x_swept,
 * still queued.  The others return to x_pending.  The owner drains both lists, and may do so at the
 * same time: it finds in them what has been pushed by then. */
static void look_after_some(struct heap *heap, bool newest)
{
	struct pool *first = exchange_acquire(&heap->x_pending, NULL), *pool = first; /* R3 */
	unsigned pending = pending_take(heap), n = 0;

	if (pool && !newest)
		pool = load_relaxed(&queue_entry(pool)->x_next);
	for (; pool && n < LOOK_AFTER; n++) {
		struct pool *next = load_relaxed(&queue_entry(pool)->x_next);

		arn_yield_point("remote_look_after");
		sweep_queued(pool);
		remote_push(&heap->x_swept, pool);
		pool = next;
	}
	if (first && !newest) {
		store_relaxed(&queue_entry(first)->x_next, pool);
		pool = first;
	}
	if (pool)
		give_back_list(heap, pool);
	pending_add(heap, pending - (n < pending ? n : pending));
}

/* One thread at a time has x_tended; another one leaves at once.  When x_pending is empty and
 * blocks were freed since x_swept was begun, the pools of x_swept are pending again.  x_freed is
 * cleared before any bits are taken, so a block that is freed later sets it anew. */
void remote_look_after(struct heap *heap, bool newest)
{
	bool tended = false;

	if (!cas_acq_rel(&heap->x_tended, &tended, true)) /* R4 */
		return;
	if (newest && !load_relaxed(&heap->x_pending) &&
	    exchange_acq_rel(&heap->x_freed, false))                          /* R4 */
		give_back_list(heap, exchange_acquire(&heap->x_swept, NULL)); /* R3 */
	look_after_some(heap, newest);
	store_release(&heap->x_tended, false); /* R4 */
}
