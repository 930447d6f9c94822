/* SPDX-License-Identifier: MIT */
#include "heap/wait.h"

#include "heap/limbo.h"

/* ---- the list -------------------------------------------------------------------------------- */

/* The exchange makes the pools the caller's, or finds that another thread has just taken them. */
static struct pool *take_list(struct heap *heap)
{
	struct pool *list;

	if (!BUG(wait_blindly))
		return exchange_acquire(&heap->x_wait, NULL); /* W4 */
	list = load_acquire(&heap->x_wait);
	arn_yield_point("wait_take");
	store_relaxed(&heap->x_wait, NULL);
	return list;
}

unsigned wait_take_all(struct heap *heap, struct pool *pool[WAIT_POOLS])
{
	struct pool *next = take_list(heap);
	unsigned n = 0;

	arn_yield_point("wait_taken");
	for (; next && n < WAIT_POOLS; next = next->next)
		pool[n++] = next;
	return n;
}

/* The classes in the list, as a guess: those that differ by 64 share a bit. */
static uint64_t class_bit(unsigned cls)
{
	return (uint64_t)1 << cls % 64;
}

static void note_pool(struct heap *heap, const struct pool *pool)
{
	heap->wait_pools++;
	count_add(&heap->x_wait_bytes, pool_span(pool));
	heap->wait_classes |= class_bit(pool->cls);
}

static void note_none(struct heap *heap)
{
	heap->wait_pools = 0;
	store_relaxed(&heap->x_wait_bytes, 0);
	heap->wait_classes = 0;
}

/* Nobody else puts pools there, so the list is still empty after it was taken. */
static void put_back(struct heap *heap, struct pool *list)
{
	arn_yield_point("wait_put");
	store_release(&heap->x_wait, list); /* W4 */
}

/* The sums are made anew. */
void wait_put_back(struct heap *heap, struct pool *const *pool, unsigned n)
{
	note_none(heap);
	if (n == 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		note_pool(heap, pool[i]);
		pool[i]->next = i + 1 < n ? pool[i + 1] : NULL;
	}
	heap->wait_goal = pool[n - 1]->goal;
	put_back(heap, pool[0]);
}

/* After the last store the pool is no longer the caller's, since any thread may take the list.  The
 * compare-and-swap fails if one has done so meanwhile.  Then the pool begins a new list. */
void wait_push(struct heap *heap, struct pool *pool)
{
	struct pool *head = load_relaxed(&heap->x_wait);

	if (!head)
		note_none(heap);
	note_pool(heap, pool);
	pool->next = head;
	arn_yield_point("wait_push");
	if (head && cas_release(&heap->x_wait, &head, pool)) /* W4 */
		return;
	note_none(heap);
	note_pool(heap, pool);
	heap->wait_goal = pool->goal;
	pool->next = NULL;
	put_back(heap, pool);
}

void wait_hand_over(struct heap *heap)
{
	struct pool *pool[WAIT_POOLS];
	unsigned n = wait_has_some(heap) ? wait_take_all(heap, pool) : 0;

	while (n > 0)
		limbo_put(heap->family, pool[--n]);
}

/* The pool out of the list that fits, among the newest LIMBO_STEP ones. */
static struct pool *unlink_fitting(struct heap *heap, struct pool **list, unsigned cls,
                                   size_t slices)
{
	struct pool **link = list, *pool;

	for (unsigned n = 0; n < LIMBO_STEP && (pool = *link) != NULL; n++, link = &pool->next)
		if (pool->cls == cls && limbo_fits(pool, slices)) {
			*link = pool->next;
			heap->wait_pools--;
			count_sub(&heap->x_wait_bytes, pool_span(pool));
			return pool;
		}
	if (!*link)
		heap->wait_classes &= ~class_bit(cls);
	return NULL;
}

struct pool *wait_take(struct heap *heap, unsigned cls, size_t slices)
{
	struct pool *list, *pool;

	if (!wait_has_some(heap) || !(heap->wait_classes & class_bit(cls)))
		return NULL;
	list = take_list(heap);
	if (!list)
		return NULL;
	pool = unlink_fitting(heap, &list, cls, slices);
	if (list)
		put_back(heap, list);
	return pool;
}
