/* SPDX-License-Identifier: MIT
 *
 * Families and the hand-over of heaps.
 *
 * Ordering    F1  x_heaps and the list of families: push (release) -> walk (acquire): the record.
 */
#include "heap.h"
#include "meta.h"
#include "remote.h"

static struct arn_family first_family;
static _Atomic(struct arn_family *) x_families = &first_family;

arn_family *family_default(void)
{
	return &first_family;
}

arn_family *family_first(void)
{
	return load_acquire(&x_families); /* F1 */
}

arn_family *arn_family_new(const struct arn_provider *provider)
{
	arn_family *family = meta_take(sizeof(*family), CACHE_LINE), *head = load_relaxed(&x_families);

	if (!family)
		return NULL;
	family->provider = provider;
	do
		store_relaxed(&family->x_next, head);
	while (!cas_release(&x_families, &head, family)); /* F1 */
	return family;
}

static struct heap *add_heap(arn_family *family, unsigned tag)
{
	struct heap *heap = meta_take(sizeof(*heap), 4 * KIB), *head = load_relaxed(&family->x_heaps);

	if (!heap)
		return NULL;
	heap_init(heap, family, tag);
	do
		heap->next = head;
	while (!cas_release(&family->x_heaps, &head, heap)); /* F1 */
	return heap;
}

static struct heap *pop_orphan(arn_family *family, unsigned tag)
{
	struct stack_node *node = stack_pop(&family->orphans[tag]);

	return node ? container_of(node, struct heap, orphan) : NULL;
}

struct heap *family_adopt(arn_family *family, unsigned tag)
{
	struct heap *heap = pop_orphan(family, tag);

	if (!heap)
		heap = add_heap(family, tag);
	if (heap)
		store_relaxed(&heap->x_owner, thread_id()); /* H2 */
	return heap;
}

void family_abandon(struct heap *heap)
{
#ifdef ARN_BUG_owner_late
	stack_push(&heap->family->orphans[heap->tag], &heap->orphan);
	arn_yield_point("family_abandon");
	store_relaxed(&heap->x_owner, 0);
#else
	store_relaxed(&heap->x_owner, 0); /* H2 */
	arn_yield_point("family_abandon");
	stack_push(&heap->family->orphans[heap->tag], &heap->orphan); /* H1 */
#endif
}

void family_tidy_orphan(struct heap *heap)
{
	struct heap *orphan = pop_orphan(heap->family, heap->tag);

	if (!orphan)
		return;
	remote_drain(orphan);
	heap_collect(orphan, false);
	stack_push(&orphan->family->orphans[orphan->tag], &orphan->orphan); /* H1 */
}
