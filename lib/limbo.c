/* SPDX-License-Identifier: MIT */
#include "limbo.h"

void limbo_push(arn_family *family, struct pool *pool)
{
	struct pool *head = load_relaxed(&family->x_limbo);

	add_relaxed(&arena_counters.x_limbo, pool_span(pool));
	do {
		pool->wait_next = head;
		arn_yield_point("limbo_push");
	} while (!cas_release(&family->x_limbo, &head, pool)); /* W1 */
}

static void release_up_to(arn_family *family, unsigned most)
{
	struct pool *pool = load_relaxed(&family->x_batch);

	for (unsigned n = 0; pool && n < most; n++) {
		struct pool *next = pool->wait_next;

		sub_relaxed(&arena_counters.x_limbo, pool_span(pool));
		pool_release(pool);
		pool = next;
	}
	store_relaxed(&family->x_batch, pool);
}

static void take_batch(arn_family *family)
{
	store_relaxed(&family->x_batch, exchange_acquire(&family->x_limbo, NULL)); /* W1 */
}

/* The goal is of now, later than the end of every pool in the batch. */
static void take_goal(arn_family *family)
{
	size_t bytes = 0;

	for (const struct pool *pool = load_relaxed(&family->x_batch); pool; pool = pool->wait_next)
		bytes += pool_span(pool);
	if (bytes)
		family->limbo_goal = family->provider->goal(bytes);
}

static void release_stopped(arn_family *family)
{
	do {
		release_up_to(family, UINT32_MAX);
		take_batch(family);
	} while (load_relaxed(&family->x_batch));
}

static void release_reached(arn_family *family)
{
	if (!load_relaxed(&family->x_batch)) {
		take_batch(family);
		take_goal(family);
	}
	if (load_relaxed(&family->x_batch) && family->provider->reached(family->limbo_goal))
		release_up_to(family, LIMBO_STEP);
}

void limbo_collect(arn_family *family, bool stopped)
{
	bool taken = false;

	if (likely(!load_relaxed(&family->x_limbo) && !load_relaxed(&family->x_batch)))
		return;
	if (!stopped && !family_is_user(family))
		return;
	if (!cas_acq_rel(&family->x_limbo_taken, &taken, true)) /* W2 */
		return;
	arn_yield_point("limbo_collect");
#ifdef ARN_BUG_limbo_at_once
	stopped = true;
#endif
	(stopped ? release_stopped : release_reached)(family);
	store_release(&family->x_limbo_taken, false); /* W2 */
}

/* A batch that a thread of the parent was at work on is in an unknown state: it stays where it is. */
void limbo_fork_child(arn_family *family)
{
	if (!load_relaxed(&family->x_limbo_taken))
		return;
	store_relaxed(&family->x_batch, NULL);
	store_relaxed(&family->x_limbo_taken, false);
}
