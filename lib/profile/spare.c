/* SPDX-License-Identifier: MIT */
#include "profile/spare.h"

#include "arena/reclaim.h"
#include "profile/image.h"

/* A grace period begins when so many wait for one: it costs a barrier in all threads. */
#define BATCH 64u

static struct {
	alignas(CACHE_LINE) struct stack stack;
} spares;

static _Atomic(struct record_sample *) x_retired; /* V3 */
static _Atomic unsigned x_count;                  /* of them, about */

/* These belong to the thread that has set x_taken. */
static _Atomic bool x_taken; /* V4 */
static struct record_sample *batch;
static struct reclaim_grace grace;

/* A record that was given back keeps its kind: readers of the image find it freed. */
struct record_sample *spare_take(void)
{
	struct stack_node *node = stack_pop(&spares.stack); /* S1 */
	struct record *record;

	if (node)
		return container_of(node, struct record_sample, spare);
	record = image_take(sizeof(struct record_sample));
	return record ? container_of(record, struct record_sample, head) : NULL;
}

static void give_back_batch(void)
{
	while (batch) {
		struct record_sample *sample = batch;

		batch = sample->next_retired;
		stack_push(&spares.stack, &sample->spare); /* S1 */
	}
}

/* The caller has x_taken. */
static void step(void)
{
	if (!batch) {
		store_relaxed(&x_count, 0);
		batch = exchange_acquire(&x_retired, NULL); /* V3 */
		grace.begun = false;
	}
	if (batch && !grace.begun)
		reclaim_grace_begin(&grace);
	arn_yield_point("spare_step");
	if (BUG(spare_at_once) || (batch && grace.begun && reclaim_grace_over(&grace)))
		give_back_batch();
}

void spare_retire(struct record_sample *sample)
{
	struct record_sample *head = load_relaxed(&x_retired);
	bool taken = false;

	do {
		sample->next_retired = head;
		arn_yield_point("spare_retire");
	} while (!cas_release(&x_retired, &head, sample)); /* V3 */
	if (add_relaxed(&x_count, 1) + 1 < BATCH && !BUG(spare_at_once))
		return;
	while (!cas_acq_rel(&x_taken, &taken, true)) { /* V4 */
		if (!BUG(await_batch))
			return;
		taken = false;
	}
	step();
	store_release(&x_taken, false); /* V4 */
}

/* A thread that is gone may have had the batch: its records are lost, which are few. */
void spare_fork_child(void)
{
	if (!load_relaxed(&x_taken))
		return;
	batch = NULL;
	store_relaxed(&x_taken, false);
}
