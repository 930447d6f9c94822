/* SPDX-License-Identifier: MIT
 *
 * family.c - families and the hand-over of heaps.
 */
#include "heap/family.h"

#include "heap/cache.h"
#include "heap/idle.h"
#include "heap/limbo.h"
#include "arena/meta.h"

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

static arn_family *add_family(const struct arn_provider *provider, const void *state)
{
	arn_family *family = meta_take(sizeof(*family), CACHE_LINE),
		   *head = load_relaxed(&x_families);

	if (!family)
		return NULL;
	family->provider = provider;
	store_relaxed(&family->x_state, state);
	do
		store_relaxed(&family->x_next, head);
	while (!cas_release(&x_families, &head, family)); /* F1 */
	return family;
}

arn_family *arn_family_new(const struct arn_provider *provider)
{
	return add_family(provider, NULL);
}

void family_take_over(struct heap *heap)
{
	store_relaxed(&heap->x_thread, thread_id());
	store_relaxed(&heap->x_owner, owner_draw()); /* H2 */
}

void family_pass(struct heap *heap)
{
	store_relaxed(&heap->x_thread, 0);
	store_relaxed(&heap->x_owner, OWNER_PASSED); /* H2 */
}

/* Heaps share pages: four of them make three.  Owned by the caller before a walk or a drainer can
 * see it. */
static struct heap *add_heap(arn_family *family, unsigned tag)
{
	struct heap *heap = meta_take(sizeof(*heap), CACHE_LINE),
		    *head = load_relaxed(&family->x_heaps);

	if (!heap)
		return NULL;
	heap_init(heap, family, tag);
	cache_init(heap);
	family_take_over(heap);
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

static bool try_own(struct heap *heap)
{
	uintptr_t owner = OWNER_NONE;

	if (BUG(adopt_blindly))
		store_relaxed(&heap->x_owner, owner_draw());
	else if (!cas_acq_rel(&heap->x_owner, &owner, owner_draw())) /* H1, H2 */
		return false;
	store_relaxed(&heap->x_thread, thread_id());
	return true;
}

/* An orphan that somebody drains goes back to the stack; a stranded one is dropped. */
static void put_back(struct heap *heap)
{
	if (BUG(forget_busy))
		return;
	if (load_relaxed(&heap->x_owner) != OWNER_STRANDED)
		stack_push(&heap->family->orphans[heap->tag], &heap->orphan);
}

/* There are as many drainers as threads at most: so many heaps more than are used at once. */
#define TRIES 8u

/* The heap is the caller's: from its first block on, walks must meet it.  None is under way, nor
 * can one begin. */
static void join_walk(struct heap *heap)
{
	_Atomic(struct heap *) *x_list = &heap->family->x_walked[heap->tag];
	struct heap *head = load_relaxed(x_list);

	heap->cache_is_empty = false;
	if (heap->in_walk)
		return;
	heap->in_walk = true;
	do
		heap->walk_next = head;
	while (!cas_release(x_list, &head, heap)); /* F2 */
}

void family_fork_child(arn_family *family)
{
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		store_relaxed(&family->x_walked[tag], NULL);
	for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) { /* F1 */
		heap->in_walk = false;
		join_walk(heap);
	}
}

struct heap *family_adopt(arn_family *family, unsigned tag)
{
	struct heap *busy[TRIES], *owned = NULL, *heap;
	unsigned n = 0;

	while (!owned && n < TRIES && (heap = pop_orphan(family, tag)) != NULL) {
		arn_yield_point("family_adopt");
		if (try_own(heap))
			owned = heap;
		else
			busy[n++] = heap;
	}
	while (n > 0)
		put_back(busy[--n]);
	if (!owned)
		owned = add_heap(family, tag);
	if (owned)
		join_walk(owned);
	return owned;
}

void family_abandon(struct heap *heap)
{
	store_relaxed(&heap->x_thread, 0);
	store_release(&heap->x_owner, OWNER_NONE); /* H1 */
	arn_yield_point("family_abandon");
	stack_push(&heap->family->orphans[heap->tag], &heap->orphan);
}

/* Its blocks are the ended state's, and a collector must not meet them again: the heap stays as it
 * is, and another one has its tag and the arrays of its cache. */
static void strand_blocks(struct heap *heap)
{
	struct heap *other = add_heap(heap->family, heap->tag);

	if (other) {
		cache_move(other, heap);
		family_abandon(other);
	}
	store_release(&heap->x_owner, OWNER_STRANDED); /* H1 */
}

/* What no collector walks is for the next state: its free blocks serve, those in use are counted no
 * more. */
static void leave_blocks(struct heap *heap)
{
	for (struct pool *pool = heap->all_first; pool; pool = pool->all_next)
		pool->left = (uint16_t)(pool->capacity - pool_free_count(pool));
}

/* Of a heap that is OWNER_ENDING, and the caller's.  Blocks that the ended state has left are
 * nobody's. */
static void end_heap(struct heap *heap)
{
	heap_trim(heap);
	if (heap->tag >= ARN_TAG_GC && heap->all_first) {
		strand_blocks(heap);
		return;
	}
	leave_blocks(heap);
	store_release(&heap->x_owner, OWNER_NONE); /* H1 */
}

/* If somebody drains it just now, he is told to do this when he is done. */
static void end_orphan(struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner);

	while (owner == OWNER_NONE || owner == OWNER_DRAINING) {
		arn_yield_point("end_orphan");
		if (!BUG(end_blindly) &&
		    !cas_acq_rel(&heap->x_owner, &owner, OWNER_ENDING)) /* H1 */
			continue;
		if (owner == OWNER_NONE)
			end_heap(heap);
		return;
	}
}

/* The state of this family has ended, and what it has left alive is nobody's. */
static void begin_anew(arn_family *family)
{
	for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) /* F1 */
		end_orphan(heap);
	limbo_poll_all(family, true);
}

arn_family *arn_family_at(const struct arn_provider *provider, const void *state)
{
	for (arn_family *family = family_first(); family;
	     family = load_acquire(&family->x_next)) { /* F1 */
		if (load_relaxed(&family->x_state) != state || family->provider != provider)
			continue;
		begin_anew(family);
		return family;
	}
	return add_family(provider, state);
}

static bool begin_drain_orphan(struct heap *heap)
{
	uintptr_t owner = OWNER_NONE;

	if (!family_is_user(heap->family))
		return false;
	if (BUG(drain_blindly) && load_acquire(&heap->x_owner) == owner)
		store_relaxed(&heap->x_owner, OWNER_DRAINING);
	else if (BUG(drain_blindly) ||
	         !cas_acq_rel(&heap->x_owner, &owner, OWNER_DRAINING)) /* H1 */
		return false;
	arn_yield_point("family_drain_orphan");
	return true;
}

/* The heap's state may have ended meanwhile: see end_orphan. */
static void end_drain_orphan(struct heap *heap)
{
	uintptr_t owner = OWNER_DRAINING;

	if (!cas_acq_rel(&heap->x_owner, &owner, OWNER_NONE)) /* H1 */
		end_heap(heap);
}

void family_drain_orphan(struct heap *heap)
{
	if (!begin_drain_orphan(heap))
		return;
	cache_send_home(heap);
	end_drain_orphan(heap);
}

bool family_trim(struct heap *heap)
{
	if (!begin_drain_orphan(heap))
		return false;
	heap_trim(heap);
	end_drain_orphan(heap);
	return true;
}
