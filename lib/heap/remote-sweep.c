/* SPDX-License-Identifier: MIT
 *
 * remote-sweep.c - pages of blocks that others have freed go back before the owner takes the blocks
 * home.
 *
 * The bits are taken out of a pool's remote words, so that its blocks are the caller's; the pages
 * that nothing else lies on go back; then the bits are sent again, as if the blocks had been freed
 * just now.
 */
#include "heap/remote.h"

#include "heap/queued.h"
#include "heap/sweep.h"

/* Takes the bits; false: there were none, and the descriptor may be anything. */
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

/* The bits of this word that stand for a block: behind the last one there is none that could keep a
 * page. */
static uint64_t blocks_of(const struct pool *pool, unsigned word)
{
	unsigned before = word * 64;

	return pool->capacity > before ? bit_run(0, (unsigned)min_size(pool->capacity - before, 64))
	                               : 0;
}

/* What has been taken out of these words, with nothing said to anybody: the pool is queued, or was
 * before. */
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

static void sweep_queued(struct pool *pool)
{
	uint64_t freed[POOL_WORDS];

	if (take_remote(load_relaxed(&pool->bits->x_remote), freed))
		sweep_taken_out(pool, freed);
}

/* ---- for an owner that waits ----------------------------------------------------------------- */

#define LOOK_AFTER 16u /* pools at a time */

/* Queued pools go back to the list that they were taken from; what has been queued there meanwhile
 * is not much. */
static void give_back_list(struct heap *heap, struct pool *list)
{
	struct pool *pool = exchange_acq_rel(&heap->x_pending, list); /* R3 */

	while (pool) {
		struct pool *next = load_relaxed(&pool->bits->x_next);

		remote_push(&heap->x_pending, pool);
		pool = next;
	}
}

static void look_after_some(struct heap *heap)
{
	struct pool *pool = exchange_acquire(&heap->x_pending, NULL); /* R3 */

	for (unsigned n = 0; pool && n < LOOK_AFTER; n++) {
		struct pool *next = load_relaxed(&pool->bits->x_next);

		arn_yield_point("remote_look_after");
		sweep_queued(pool);
		remote_push(&heap->x_swept, pool);
		pool = next;
	}
	if (pool)
		give_back_list(heap, pool);
}

void remote_look_after(struct heap *heap)
{
	bool tended = false;

	if (!cas_acq_rel(&heap->x_tended, &tended, true)) /* R4 */
		return;
	if (!load_relaxed(&heap->x_pending) && exchange_acq_rel(&heap->x_freed, false)) /* R4 */
		give_back_list(heap, exchange_acquire(&heap->x_swept, NULL));           /* R3 */
	look_after_some(heap);
	store_release(&heap->x_tended, false); /* R4 */
}
