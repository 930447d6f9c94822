/* SPDX-License-Identifier: MIT */
#include "heap/cell-wait.h"

#include "heap/limbo.h"

/* The nodes from first to last are linked.  The compare-and-swap fails if another thread has pushed
 * or taken meanwhile; then it is tried with the head that is there now. */
static void push_all(arn_family *family, struct cell_wait *first, struct cell_wait *last)
{
	struct cell_wait *head = load_relaxed(&family->x_cells);

	do {
		last->next = head;
		arn_yield_point("cell_wait_push");
	} while (!cas_release(&family->x_cells, &head, first)); /* C4 */
}

void cell_wait_push(arn_family *family, struct cell_wait *cell, size_t bytes)
{
	cell->goal = limbo_goal(family, bytes);
	push_all(family, cell, cell);
}

/* The exchange makes the nodes the caller's, or finds that another thread has just taken them. */
static struct cell_wait *take_list(arn_family *family)
{
	struct cell_wait *list = BUG(cells_in_two_steps) ? load_acquire(&family->x_cells) : NULL;

	arn_yield_point("cell_wait_take");
	if (!BUG(cells_in_two_steps))
		return exchange_acquire(&family->x_cells, NULL); /* C4 */
	store_relaxed(&family->x_cells, NULL);
	return list;
}

static struct cell_wait *reversed(struct cell_wait *list)
{
	struct cell_wait *result = NULL, *next;

	for (; list; list = next) {
		next = list->next;
		list->next = result;
		result = list;
	}
	return result;
}

/* Are the readers of this cell done?  One that was freed by a thread which is no user of the family
 * gets its goal now, and its time begins. */
static bool is_over(arn_family *family, struct cell_wait *cell, bool stopped)
{
	if (stopped)
		return true;
	if (cell->goal == LIMBO_NO_GOAL)
		cell->goal = limbo_goal(family, 0);
	if (limbo_is_over(family, cell->goal))
		return true;
	store_relaxed(&family->x_cells_unreached, cell->goal);
	return false;
}

/* Is it in vain to look now?  The goal at which the last poll ended decides that. */
static bool is_too_early(const arn_family *family)
{
	uint64_t unreached = load_relaxed(&family->x_cells_unreached);

	return !family_is_user(family) || (unreached && !limbo_is_over(family, unreached));
}

/* Splits a list, the oldest cell first, before the first cell whose readers are not done, and puts
 * the rest back, the newest first. */
static struct cell_wait *keep_those_over(arn_family *family, struct cell_wait *list, bool stopped)
{
	struct cell_wait **link = &list, *rest;

	while (*link && is_over(family, *link, stopped))
		link = &(*link)->next;
	rest = *link;
	*link = NULL;
	if (rest)
		push_all(family, reversed(rest), rest);
	return list;
}

struct cell_wait *cell_wait_take(arn_family *family, bool stopped)
{
	if (likely(!cell_wait_has_some(family)) || (!stopped && is_too_early(family)))
		return NULL;
	return keep_those_over(family, reversed(take_list(family)), stopped);
}
