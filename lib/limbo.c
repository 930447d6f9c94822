/* SPDX-License-Identifier: MIT */
#include "limbo.h"

#include "reclaim.h"
#include "sweep.h"

/* The goal of a pool that fell empty in the hands of a thread which is no user: it had none to give. */
#define NO_GOAL UINT64_MAX

static struct stack *stack_for(arn_family *family, unsigned tag, unsigned cls)
{
#ifdef ARN_BUG_limbo_of_any_tag
	tag = ARN_TAG_OBJECT;
#endif
	return &family->limbo[tag][cls];
}

/* Who pops looks at a pool that another may have taken, and let go: its descriptor stays mapped in this section. */
static struct pool *pop(struct stack *stack)
{
	struct stack_node *node;

	if (stack_is_empty(stack))
		return NULL;
	reclaim_enter();
	node = stack_pop(stack); /* S1 */
	reclaim_exit();
	arn_yield_point("limbo_pop");
	return node ? container_of(node, struct pool, wait) : NULL;
}

static void push(struct stack *stack, struct pool *pool)
{
	arn_yield_point("limbo_push");
	stack_push(stack, &pool->wait); /* S1 */
}

static void count_waiting(arn_family *family, const struct pool *pool)
{
	size_t resident = sweep_resident(pool);

	add_relaxed(&arena_counters.x_waiting, resident);
	add_relaxed(&arena_counters.x_limbo, pool_span(pool) - resident);
	add_relaxed(&family->x_waiting, 1);
}

/* It waits no longer, and is the caller's. */
static void leave(arn_family *family, const struct pool *pool)
{
	size_t resident = sweep_resident(pool);

	sub_relaxed(&arena_counters.x_waiting, resident);
	sub_relaxed(&arena_counters.x_limbo, pool_span(pool) - resident);
	sub_relaxed(&family->x_waiting, 1);
}

static void purge(struct pool *pool)
{
	if (sweep_whole(pool))
		pool->zeroed = false;
}

/* A goal taken now covers every reader that may have seen the last block. */
static uint64_t goal_of(const arn_family *family, const struct pool *pool)
{
	return family_is_user(family) ? family->provider->goal(pool_span(pool)) : NO_GOAL;
}

void limbo_add(arn_family *family, struct pool *pool)
{
	limbo_poll(family);
	if (arena_keeps_enough(sweep_resident(pool)))
		purge(pool);
	pool->goal = goal_of(family, pool);
	count_waiting(family, pool);
	push(stack_for(family, pool->tag, pool->cls), pool);
}

static bool fits(const struct pool *pool, size_t slices)
{
	return pool->cls != CLASS_LARGE || (pool->slices >= slices && pool->slices <= slices + slices / 4);
}

/* Up to LIMBO_STEP pools, the last one to fall empty first, until one fits. */
struct pool *limbo_take(arn_family *family, unsigned tag, unsigned cls, size_t slices)
{
	struct stack *stack = stack_for(family, tag, cls);
	struct pool *others[LIMBO_STEP], *pool = NULL;
	unsigned n = 0;

	while (n < LIMBO_STEP && (pool = pop(stack)) != NULL && !fits(pool, slices)) {
		others[n++] = pool;
		pool = NULL;
	}
	while (n > 0)
		push(stack, others[--n]);
	if (pool)
		leave(family, pool);
	return pool;
}

static bool is_over(arn_family *family, struct pool *pool, bool stopped)
{
#ifdef ARN_BUG_limbo_at_once
	return true;
#endif
	if (stopped)
		return true;
	if (pool->goal == NO_GOAL)
		pool->goal = goal_of(family, pool);
	return family->provider->reached(pool->goal);
}

/*
 * Take some pools out and let those go whose goals are reached.  The oldest goal comes first, and where it is not
 * reached, those that were given later are not either: asking may cost a look at every thread.
 */
static bool poll_stack(arn_family *family, struct stack *stack, bool stopped)
{
	struct pool *pool[LIMBO_STEP];
	unsigned n = 0, all;

	while (n < LIMBO_STEP && (pool[n] = pop(stack)) != NULL)
		n++;
	for (all = n; n > 0 && is_over(family, pool[n - 1], stopped); n--) {
		leave(family, pool[n - 1]);
		sweep_release(pool[n - 1]);
	}
	for (unsigned rest = n; rest > 0; rest--)
		push(stack, pool[rest - 1]);
	return n < all;
}

#define STACKS (ARN_TAGS * (CLASSES + 1u))

static struct stack *stack_at(arn_family *family, unsigned index)
{
	return &family->limbo[index / (CLASSES + 1) % ARN_TAGS][index % (CLASSES + 1)];
}

/* The next stacks in turn, from where the last poll came to; one in which pools leave is asked again next time. */
void limbo_poll(arn_family *family)
{
	unsigned index;

	if (likely(load_relaxed(&family->x_waiting) == 0) || !family_is_user(family))
		return;
	index = load_relaxed(&family->x_polled);
	for (unsigned n = 0; n < LIMBO_LOOK; n++, index++) {
		struct stack *stack = stack_at(family, index % STACKS);

		if (!stack_is_empty(stack) && poll_stack(family, stack, false))
			break;
	}
	store_relaxed(&family->x_polled, index % STACKS);
}

void limbo_collect(arn_family *family, bool stopped)
{
	if (load_relaxed(&family->x_waiting) == 0 || (!stopped && !family_is_user(family)))
		return;
	for (unsigned index = 0; index < STACKS; index++)
		while (poll_stack(family, stack_at(family, index), stopped))
			;
}

static void purge_stack(arn_family *family, struct stack *stack)
{
	struct pool *list = NULL, *pool;

	while ((pool = pop(stack)) != NULL) {
		leave(family, pool);
		purge(pool);
		pool->next = list;
		list = pool;
	}
	for (; list; list = pool) {
		pool = list->next;
		count_waiting(family, list);
		push(stack, list);
	}
}

void limbo_purge(arn_family *family)
{
	if (load_relaxed(&family->x_waiting) == 0)
		return;
	for (unsigned index = 0; index < STACKS; index++)
		purge_stack(family, stack_at(family, index));
}
