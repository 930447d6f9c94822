/* SPDX-License-Identifier: MIT
 *
 * wait - pools that wait for readers with their heap (lib/heap/wait.c), while other threads take
 * them away.  Each pool is in one place when all are done: in the list, with the family, or with
 * the owner; whoever has one sees what was stored in its descriptor; and the list keeps its order.
 */
#include "model/explore.h"

#include "heap/limbo.h"
#include "heap/wait.h"

#include <string.h>

#include "heap/wait.c"

enum { POOLS = 3 };

static struct pool pools[POOLS];
static struct heap heap;
static _Atomic unsigned x_handed[POOLS]; /* to the family */
static unsigned had[POOLS];              /* by the owner, for good */

/* ---- in the place of the limbo --------------------------------------------------------------- */

bool limbo_fits(const struct pool *pool, size_t slices)
{
	return pool->slices >= slices;
}

void limbo_put(arn_family *family, struct pool *pool)
{
	(void)family;
	explore_touch(pool, true);
	explore_check(pool->goal == (uint64_t)(pool - pools) + 1);
	add_relaxed(&x_handed[pool - pools], 1);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void push(unsigned i)
{
	explore_touch(&pools[i], true);
	pools[i].goal = i + 1;
	wait_push(&heap, &pools[i]);
}

static void set_up(void)
{
	memset(pools, 0, sizeof(pools));
	memset(&heap, 0, sizeof(heap));
	memset(x_handed, 0, sizeof(x_handed));
	memset(had, 0, sizeof(had));
	for (unsigned i = 0; i < POOLS; i++) {
		pools[i].cls = (uint8_t)i;
		pools[i].slices = 1;
	}
}

static void set_up_two(void)
{
	explore_self = 0;
	set_up();
	push(0);
	push(1);
}

static void push_last(void)
{
	push(2);
}

static void keep(struct pool *pool)
{
	if (!pool)
		return;
	explore_touch(pool, true);
	had[pool - pools]++;
}

static void push_and_take(void)
{
	push(2);
	keep(wait_take(&heap, 0, 1));
}

static void take_and_push(void)
{
	keep(wait_take(&heap, 1, 1));
	push(2);
}

/* As a poll does that finds the oldest pool's goal reached. */
static void poll(void)
{
	struct pool *all[WAIT_POOLS];
	unsigned n = wait_take_all(&heap, all);

	for (unsigned i = 0; i < n; i++)
		explore_touch(all[i], true);
	if (n > 0)
		keep(all[--n]);
	wait_put_back(&heap, all, n);
}

static void poll_and_push(void)
{
	poll();
	push(2);
}

static void hand_over(void)
{
	wait_hand_over(&heap);
}

/* The newest pools come first, and all that are in no other place are there. */
static void finish(void)
{
	unsigned listed[POOLS] = { 0 };
	uint64_t last = POOLS + 1;

	for (struct pool *pool = load_relaxed(&heap.x_wait); pool; pool = pool->next) {
		explore_check(pool->goal < last && pool->goal >= heap.wait_goal);
		last = pool->goal;
		listed[pool - pools]++;
	}
	for (unsigned i = 0; i < POOLS; i++)
		explore_check(!pools[i].goal ||
		              listed[i] + had[i] + load_relaxed(&x_handed[i]) == 1);
}

static const struct explore_model models[] = {
	{ "one is pushed, all are handed over",
	  set_up_two,
	  { push_last, hand_over },
	  finish,
	  NULL },
	{ "one is pushed and one taken, all are handed over by two",
	  set_up_two,
	  { push_and_take, hand_over, hand_over },
	  finish,
	  NULL },
	{ "one is taken and one pushed, all are handed over by two",
	  set_up_two,
	  { take_and_push, hand_over, hand_over },
	  finish,
	  NULL },
	{ "a poll and a push, all are handed over by two",
	  set_up_two,
	  { poll_and_push, hand_over, hand_over },
	  finish,
	  NULL },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, models, array_length(models));
}
