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

/* The goal is of now, later than that of any pool in the batch. */
static void take_batch(arn_family *family)
{
	size_t bytes = 0;
	struct pool *batch = exchange_acquire(&family->x_limbo, NULL); /* W1 */

	for (const struct pool *pool = batch; pool; pool = pool->wait_next)
		bytes += pool_span(pool);
	if (batch)
		family->limbo_goal = family->provider->goal(bytes);
	store_relaxed(&family->x_batch, batch);
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
	if (!load_relaxed(&family->x_batch))
		take_batch(family);
#ifdef ARN_BUG_limbo_at_once
	stopped = true;
#endif
	if (stopped)
		release_up_to(family, UINT32_MAX);
	else if (load_relaxed(&family->x_batch) && family->provider->reached(family->limbo_goal))
		release_up_to(family, LIMBO_STEP);
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
