/* SPDX-License-Identifier: MIT
 *
 * family.c - families and the hand-over of heaps.
 */
#include "heap/family.h"

#include "heap/cache.h"
#include "heap/cell.h"
#include "heap/trim-heap.h"
#include "heap/limbo.h"
#include "heap/pending.h"
#include "heap/sample.h"
#include "heap/stock.h"
#include "heap/wait.h"
#include "arena/meta.h"

static struct arn_family first_family;
static _Atomic(struct arn_family *) x_families = &first_family;
static struct table families_by_state;

arn_family *family_default(void)
{
	return &first_family;
}

arn_family *family_first(void)
{
	return load_acquire(&x_families); /* F1 */
}

/* Pushes a family onto the list of all families, where it stays, and acquires those that are there:
 * walks may begin at a family (tend.c).  Two threads may do so at the same time. */
static void push_family(arn_family *family)
{
	arn_family *head = load_relaxed(&x_families);

	do
		store_relaxed(&family->x_next, head);
	while (!cas_acq_rel(&x_families, &head, family)); /* F1 */
}

/* NULL: there is no memory. */
static arn_family *add_family(const struct arn_provider *provider)
{
	arn_family *family = meta_take(sizeof(*family), CACHE_LINE);

	if (!family)
		return NULL;
	family->provider = provider;
	push_family(family);
	return family;
}

/* The list ends with the first family, so what is in it has a next one.  The second call comes from
 * a malloc inside the first, as musl's pthread_atfork makes one. */
void family_use_names(void)
{
	if (!load_relaxed(&family_of_names.x_next))
		push_family(&family_of_names);
}

arn_family *arn_family_new(const struct arn_provider *provider)
{
	return add_family(provider);
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

/* Makes a heap that the calling thread owns before a walk or a drainer can find it, and pushes it
 * onto the family's list.  By that it acquires the heaps that are there, because its walks begin at
 * its own (tend.c).  Heaps share pages: four of them take three.  NULL: there is no memory. */
static struct heap *add_heap(arn_family *family, unsigned tag, bool sampled)
{
	struct heap *heap = sampled ? meta_take(sizeof(*heap), CACHE_LINE) : sample_take_heap();
	struct heap *head = load_relaxed(&family->x_heaps);

	if (!heap)
		return NULL;
	heap_init(heap, family, tag);
	heap->sampled = sampled;
	if (!sampled)
		sample_attach(heap);
	cache_init(heap);
	family_take_over(heap);
	do
		heap->next = head;
	while (!cas_acq_rel(&family->x_heaps, &head, heap)); /* F1 */
	return heap;
}

/* So many orphans of a tag keep all they have: threads that come and go find caches that are
 * filled. */
#define ORPHANS_READY 100u

/* How many orphans wait in the stack: the top one has noted its depth.  Those of a state that has
 * ended are stranded together.  Of two threads that push at the same time each misses the other
 * one. */
static unsigned count_orphans(const struct stack *orphans)
{
	struct stack_node *node = stack_top(orphans);
	struct heap *top = node ? container_of(node, struct heap, orphan) : NULL;

	if (!top || load_relaxed(&top->x_owner) == OWNER_STRANDED)
		return 0;
	return load_relaxed(&top->x_depth);
}

/* Orphans wait for a thread to adopt them; those for samples are in stacks of their own.  Where
 * hundreds of threads have ended, as many orphans wait for new ones, which may never come: then the
 * heap is drained before it waits. */
static void push_orphan(struct heap *heap)
{
	arn_family *family = heap->family;
	unsigned waiting = count_orphans(&family->orphans[heap->tag]);

	if (heap->sampled) {
		stack_push(&family->sampled[heap->tag], &heap->orphan);
	} else if (waiting < ORPHANS_READY || BUG(leave_full)) {
		store_relaxed(&heap->x_depth, waiting + 1);
		stack_push(&family->orphans[heap->tag], &heap->orphan);
	} else {
		family_drain_orphan(heap);
		stack_push(&family->emptied[heap->tag], &heap->orphan);
	}
}

static struct heap *pop_orphan(arn_family *family, unsigned tag, bool sampled)
{
	struct stack_node *node = stack_pop(sampled ? &family->sampled[tag]
	                                            : &family->orphans[tag]);

	if (!node && !sampled)
		node = stack_pop(&family->emptied[tag]);
	return node ? container_of(node, struct heap, orphan) : NULL;
}

/* Makes the calling thread the owner of an orphan that it has popped.  The compare-and-swap can
 * fail, because an orphan stays in the stack while another thread drains or ends it. */
static bool try_own(struct heap *heap)
{
	uintptr_t owner = OWNER_NONE;

	if (BUG(adopt_blindly))
		store_relaxed(&heap->x_owner, owner_draw());
	else if (!cas_acq_rel(&heap->x_owner, &owner, owner_draw())) /* H1, H2 */
		return false;
	store_relaxed(&heap->x_thread, thread_id());
	pending_forget(heap); /* what is usual for this owner is not known */
	return true;
}

/* An orphan that another thread has at the moment goes back to the stack.  A stranded one is
 * dropped. */
static void put_back(struct heap *heap)
{
	if (BUG(forget_busy))
		return;
	if (load_relaxed(&heap->x_owner) != OWNER_STRANDED)
		push_orphan(heap);
}

/* The most orphans that an adoption passes over because other threads have them.  There are at most
 * as many drainers as threads, so this makes at most that many heaps more than are used at once. */
#define TRIES 8u

/* Lists a heap that the caller has just adopted among the heaps to walk, because walks must meet
 * its blocks from the first one on.  No walk is under way, nor can one begin: walks happen while
 * the users of the family are stopped, and the caller is one. */
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

/* A walker or an adopter that is gone may have stopped between two of its stores, so the lists to
 * walk are made anew from the list of all heaps.  The child has one thread, so nothing can
 * interfere. */
void family_fork_child(arn_family *family)
{
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		store_relaxed(&family->x_walked[tag], NULL);
	for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) { /* F1 */
		heap->in_walk = false;
		join_walk(heap);
	}
}

/* Pops orphans until one can be owned.  Those that another thread drains at the moment are
 * remembered, and pushed back once the search is over, so that the same one is not popped twice.
 * Without an orphan, or after TRIES busy ones, a new heap is made.  NULL: there is no memory for
 * that; the orphans that were popped are back in the stack. */
static struct heap *adopt_orphan(arn_family *family, unsigned tag, bool sampled)
{
	struct heap *busy[TRIES], *owned = NULL, *heap;
	unsigned n = 0;

	while (!owned && n < TRIES && (heap = pop_orphan(family, tag, sampled)) != NULL) {
		arn_yield_point("family_adopt");
		if (try_own(heap))
			owned = heap;
		else
			busy[n++] = heap;
	}
	while (n > 0)
		put_back(busy[--n]);
	if (!owned)
		owned = add_heap(family, tag, sampled);
	if (owned)
		join_walk(owned);
	return owned;
}

struct heap *family_adopt(arn_family *family, unsigned tag)
{
	return adopt_orphan(family, tag, false);
}

struct heap *family_adopt_sampled(arn_family *family, unsigned tag)
{
	return adopt_orphan(family, tag, true);
}

/* No handle has the heap any more, so it is not external any more, either: a fork in which the next
 * owner has just adopted it makes it an orphan again.
 *
 * The store of x_owner comes before the push: from then on a drainer may take the heap.  The push
 * only makes it known to threads that adopt.  A thread stopped between the two keeps that heap from
 * adoption, and they make another one in its place. */
void family_abandon(struct heap *heap)
{
	order_for_fork(); /* the handle has let go of it before */
	if (!BUG(stay_external))
		heap->external = false;
	store_relaxed(&heap->x_thread, 0);
	store_release(&heap->x_owner, OWNER_NONE); /* H1 */
	arn_yield_point("family_abandon");
	push_orphan(heap);
}

/* The heap holds blocks of a state that has ended, and a collector of the next state must not meet
 * them.  So the heap stays as it is for ever; its blocks can be freed, but it is not used again.
 * Another heap takes its place as an orphan of the same tag, and inherits the arrays of its cache.
 * Without memory for that other heap only the arrays are lost. */
static void strand_blocks(struct heap *heap)
{
	struct heap *other = add_heap(heap->family, heap->tag, heap->sampled);

	if (other) {
		cache_move(other, heap);
		family_abandon(other);
	}
	store_release(&heap->x_owner, OWNER_STRANDED); /* H1 */
}

/* No collector walks this tag, so the next state may use the heap: its free blocks serve, and the
 * blocks that the ended state has left are noted, so that they do not count as used. */
static void leave_blocks(struct heap *heap)
{
	for (struct pool *pool = heap->all_first; pool; pool = pool->all_next)
		pool->left = (uint16_t)(pool->capacity - pool_free_count(pool));
}

/* The caller has the heap as OWNER_ENDING.  Blocks that the ended state has left alive will have no
 * owner.  The heap gives back all it can, and is then an orphan again, or stranded. */
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

/* Ends an orphan for its embedder's state.  If no thread has it, the caller does the work.  If a
 * thread drains it just now, OWNER_ENDING tells that thread to do the work when it is done
 * (end_drain_orphan), and the caller goes on.  A heap that has an owner is left alone. */
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

/* The state that the family served has ended, and a new one begins at the same address: end all
 * orphans, and release all pools that wait, since no reader of the ended state runs. */
static void begin_anew(arn_family *family)
{
	for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) { /* F1 */
		end_orphan(heap);
		wait_hand_over(heap);
	}
	limbo_poll_all(family, true);
	cell_begin_anew(family);
}

/* A family of its own for this state, unless another thread has just made one: then that one
 * serves, and this one stays unused.  NULL: there is no memory. */
static arn_family *add_family_at(const struct arn_provider *provider, const void *state)
{
	arn_family *family = add_family(provider);

	if (!family)
		return NULL;
	family->by_state.key = state;
	family->by_state.kind = provider;
	return container_of(table_add(&families_by_state, &family->by_state), arn_family, by_state);
}

arn_family *arn_family_at(const struct arn_provider *provider, const void *state)
{
	struct table_node *node = table_find(&families_by_state, state, provider);
	arn_family *family;

	if (!node)
		return add_family_at(provider, state);
	family = container_of(node, arn_family, by_state);
	begin_anew(family);
	return family;
}

/* Takes an orphan for a moment (OWNER_DRAINING), without taking it out of the stack.  false: the
 * caller is no user of the family, so a walk may be under way, or another thread has the heap. */
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

/* Lets the orphan go.  The compare-and-swap fails if the state has ended meanwhile (end_orphan):
 * then the rest is the drainer's to do. */
static void end_drain_orphan(struct heap *heap)
{
	uintptr_t owner = OWNER_DRAINING;

	if (!cas_acq_rel(&heap->x_owner, &owner, OWNER_NONE)) /* H1 */
		end_heap(heap);
}

/* No owner refills from an orphan, so what is freed to it would stay until the next adoption.  The
 * caller has the heap as OWNER_DRAINING meanwhile: it drains it, flushes its cache, lets empty
 * pools go, also those that the heap kept for its next ones, and puts it down again.  A thread that
 * wants to adopt it passes it over.  A thread that is stopped in here keeps this heap, as it is,
 * and nothing else. */
void family_drain_orphan(struct heap *heap)
{
	if (!begin_drain_orphan(heap))
		return;
	cache_send_home(heap);
	stock_give_back(heap);
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
