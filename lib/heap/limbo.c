/* SPDX-License-Identifier: MIT */
#include "heap/limbo.h"

#include "arena/reclaim.h"
#include "heap/sweep.h"
#include "arena/purge.h"
#include "arena/retain.h"
#include "os/os.h"

static _Atomic(arn_family *) x_latest; /* a pool was added to this family */

/* How often this thread has polled, and the stack that it asks next: of all, and of those without
 * pages.  Of any family: it is a matter of where to begin. */
static __thread unsigned polls, polled, polled_space;

static unsigned index_of(unsigned tag, unsigned cls)
{
	if (BUG(limbo_of_any_tag))
		tag = ARN_TAG_OBJECT;
	return tag * (CLASSES + 1) + cls;
}

/* The stack in which a pool waits.  A pool without pages is not taken again, because a free slice
 * that has some is better.  So it waits in a stack of MEM, whose own pools never wait. */
static unsigned index_for(const struct pool *pool)
{
	return index_of(sweep_resident(pool) ? pool->tag : ARN_TAG_MEM, pool->cls);
}

/* ---- which stacks have pools, as a guess ----------------------------------------------------- */

static void note_filled(arn_family *family, unsigned index)
{
	uint64_t bit = (uint64_t)1 << index % 64;

	if (!(load_relaxed(&family->x_filled[index / 64]) & bit))
		or_relaxed(&family->x_filled[index / 64], bit);
}

/* The stack is looked at again after its bit was cleared, so that a push beside this is mostly
 * seen.  One that is overlooked all the same is found by look_at_all. */
static void note_empty(arn_family *family, unsigned index)
{
	and_relaxed(&family->x_filled[index / 64], ~((uint64_t)1 << index % 64));
	if (!stack_is_empty(&family->limbo[index]))
		note_filled(family, index);
}

/* The next stack that may have pools, from this one on and once around.  LIMBO_STACKS: none. */
static unsigned find_filled(const arn_family *family, unsigned from)
{
	for (unsigned n = 0, word = from / 64; n <= LIMBO_WORDS;
	     n++, word = (word + 1) % LIMBO_WORDS) {
		uint64_t filled = load_relaxed(&family->x_filled[word]);

		if (n == 0)
			filled &= ~(uint64_t)0 << from % 64;
		if (filled)
			return word * 64 + lowest_bit(filled);
	}
	return LIMBO_STACKS;
}

/* Sets the bits of all stacks that have pools: a push beside note_empty may have been
 * overlooked. */
static void look_at_all(arn_family *family)
{
	for (unsigned index = 0; index < LIMBO_STACKS; index++)
		if (!stack_is_empty(&family->limbo[index]))
			note_filled(family, index);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

/* Pops a pool.  The pop reads the descriptor of a pool that another thread may have taken
 * meanwhile, and released: the section keeps it mapped.  NULL: the stack is empty. */
static struct pool *pop_waiting(arn_family *family, unsigned index)
{
	struct stack *stack = &family->limbo[index];
	struct stack_node *node;

	if (stack_is_empty(stack))
		return NULL;
	reclaim_enter();
	node = stack_pop(stack); /* S1 */
	reclaim_exit();
	arn_yield_point("limbo_pop");
	return node ? container_of(node, struct pool, wait) : NULL;
}

/* After the push the pool is no longer the caller's.  The bit is set last; until then polls may
 * pass the stack by. */
static void push_waiting(arn_family *family, unsigned index, struct pool *pool)
{
	arn_yield_point("limbo_push");
	stack_push(&family->limbo[index], &pool->wait); /* S1 */
	note_filled(family, index);
}

static void count_waiting(arn_family *family, const struct pool *pool)
{
	size_t resident = sweep_resident(pool);

	tally_add(&arena_counters.x_waiting, resident);
	tally_add(&arena_counters.x_limbo, pool_span(pool) - resident);
	add_relaxed(&family->x_waiting, 1);
}

/* The pool waits no longer, and is the caller's: take it out of the sums. */
static void leave_limbo(arn_family *family, const struct pool *pool)
{
	size_t resident = sweep_resident(pool);

	tally_sub(&arena_counters.x_waiting, resident);
	tally_sub(&arena_counters.x_limbo, pool_span(pool) - resident);
	sub_relaxed(&family->x_waiting, 1);
}

uint64_t limbo_goal(const arn_family *family, size_t bytes)
{
	return family_is_user(family) ? family->provider->goal(bytes) : LIMBO_NO_GOAL;
}

void limbo_begin(arn_family *family, struct pool *pool)
{
	if (load_relaxed(&x_latest) != family)
		store_release(&x_latest, family); /* S2 */
	pool->goal = limbo_goal(family, pool_span(pool));
}

/* The counters come before the push, because the pool may be taken, and counted out, at once. */
void limbo_put(arn_family *family, struct pool *pool)
{
	count_waiting(family, pool);
	push_waiting(family, index_for(pool), pool);
}

/* Pools that were popped to be purged together, and the bytes of their pages. */
struct popped {
	struct pool *pool[LIMBO_BATCH];
	unsigned n;
	size_t bytes;
};

/* Pops pools of a stack until there are `bytes` of pages, or LIMBO_BATCH pools. */
static void pop_some(arn_family *family, unsigned index, size_t bytes, struct popped *popped)
{
	struct pool *pool;

	while (popped->n < LIMBO_BATCH && popped->bytes < bytes &&
	       (pool = pop_waiting(family, index)) != NULL) {
		leave_limbo(family, pool);
		popped->bytes += sweep_resident(pool);
		pool->reads_zero = false;
		popped->pool[popped->n++] = pool;
	}
	if (stack_is_empty(&family->limbo[index]))
		note_empty(family, index);
}

/* Purges the pools in one call, and pushes each where it belongs then, the oldest of a stack, which
 * was popped last, first.  Pools that the system has refused keep their pages.  Returns the bytes
 * that were tried. */
static size_t purge_popped(arn_family *family, struct popped *popped)
{
	sweep_whole_all(popped->pool, popped->n);
	for (unsigned n = popped->n; n > 0; n--)
		limbo_put(family, popped->pool[n - 1]);
	return popped->bytes;
}

/* The next stack of pools with pages, from this one on and once around.  LIMBO_STACKS: none. */
static unsigned find_resident(const arn_family *family, unsigned from)
{
	unsigned first = index_of(ARN_TAG_MEM + 1, 0), index = find_filled(family, from);

	if (index < first)
		index = find_filled(family, first);
	return index < first ? LIMBO_STACKS : index;
}

#define PURGE_STACKS 16u

/* Purges `bytes`, or a pool more, of the stack and of the next ones with pages, PURGE_STACKS of
 * them at most.  Returns the bytes that were tried. */
static size_t purge_from(arn_family *family, unsigned index, size_t bytes)
{
	struct popped popped = { .n = 0, .bytes = 0 };

	for (unsigned n = 0; n < PURGE_STACKS && popped.n < LIMBO_BATCH && popped.bytes < bytes;
	     n++, index++) {
		index = find_resident(family, index % LIMBO_STACKS);
		if (index == LIMBO_STACKS)
			break;
		pop_some(family, index, bytes, &popped);
		if (BUG(purge_one_stack))
			break;
	}
	return purge_popped(family, &popped);
}

/* Half of the base is given back beyond what is needed, so that the pages of several pools go in
 * one system call. */
static void purge_excess_from(arn_family *family, unsigned index)
{
	size_t kept = arena_kept(), most = retain_for_slices();

	if (unlikely(kept > most) && os_takes_pages())
		purge_from(family, index, kept - most + retain_base() / 2);
}

void limbo_purge_excess(arn_family *family)
{
	purge_excess_from(family, polled);
}

/* The goal is taken after all blocks were freed.  Where more is kept than may be, the pages of some
 * pools go back, beginning with those of the same kind; then they only wait with their address
 * space. */
void limbo_add(arn_family *family, struct pool *pool)
{
	unsigned index = index_for(pool);

	limbo_begin(family, pool);
	limbo_put(family, pool);
	purge_excess(0);
	purge_excess_from(family, index);
}

/* The tail of a huge pool has no pages, so it may be as long as it is. */
bool limbo_fits(const struct pool *pool, size_t slices)
{
	size_t used = (BUG(fit_tail) ? pool_span(pool) : pool_without_tail(pool)) / SLICE;

	return pool->cls != CLASS_LARGE || (pool->slices >= slices && used <= slices + slices / 4);
}

/* Pops up to LIMBO_STEP pools, the last one to fall empty first because its pages are warm, until
 * one fits.  The others are pushed back in their order.  NULL: none of those fits. */
struct pool *limbo_take(arn_family *family, unsigned tag, unsigned cls, size_t slices)
{
	unsigned index = index_of(tag, cls);
	struct pool *others[LIMBO_STEP], *pool = NULL;
	unsigned n = 0;

	while (n < LIMBO_STEP && (pool = pop_waiting(family, index)) != NULL &&
	       !limbo_fits(pool, slices)) {
		others[n++] = pool;
		pool = NULL;
	}
	while (n > 0)
		push_waiting(family, index, others[--n]);
	if (!pool)
		return NULL;
	leave_limbo(family, pool);
	retain_note_use();
	return pool;
}

bool limbo_is_over(const arn_family *family, uint64_t goal)
{
	return BUG(limbo_at_once) || family->provider->reached(goal);
}

/* Pools without a goal get one now, from a caller that is a user; their time begins then.  It is
 * the same time for all of them: one after the other, each would begin when the one before it is
 * over.
 */
static void give_goals(arn_family *family, struct pool *const *pool, unsigned n)
{
	for (unsigned i = BUG(goals_singly) && n > 0 ? n - 1 : 0; i < n; i++)
		if (pool[i]->goal == LIMBO_NO_GOAL)
			pool[i]->goal = limbo_goal(family, pool_span(pool[i]));
}

/* Are the readers of this pool done?  A goal that is not reached is noted. */
static bool is_over(arn_family *family, unsigned index, const struct pool *pool, bool stopped)
{
	if (stopped || limbo_is_over(family, pool->goal))
		return true;
	store_relaxed(&family->x_unreached[index], pool->goal);
	return false;
}

/* Pops up to LIMBO_STEP pools and releases those whose goals are reached, the oldest of them first.
 * The first goal that is not reached ends it: the goals after that one were given later, and asking
 * may cost a look at every thread.  The rest is pushed back in its order.  While the goal at which
 * the last poll ended is not reached, no pool is popped.  Returns whether any was released. */
static bool poll_stack(arn_family *family, unsigned index, bool stopped)
{
	uint64_t unreached = load_relaxed(&family->x_unreached[index]);
	struct pool *pool[LIMBO_STEP];
	unsigned n = 0, all;

	if (!stopped && unreached && !limbo_is_over(family, unreached))
		return false;
	while (n < LIMBO_STEP && (pool[n] = pop_waiting(family, index)) != NULL)
		n++;
	if (!stopped)
		give_goals(family, pool, n);
	for (all = n; n > 0 && is_over(family, index, pool[n - 1], stopped); n--) {
		leave_limbo(family, pool[n - 1]);
		sweep_release(pool[n - 1]);
	}
	for (unsigned rest = n; rest > 0; rest--)
		push_waiting(family, index, pool[rest - 1]);
	return n < all;
}

#define LOOK_EVERY 256u /* polls */

/* Looks at one stack before `end`, the next one that may have pools after the stack of this
 * thread's last poll, which is in *last.  A stack in which pools were released is looked at again
 * next time. Several threads may poll at once: a pool is in the hands of one of them. */
static bool poll_next(arn_family *family, unsigned *last, unsigned end)
{
	unsigned index;

	if (likely(load_relaxed(&family->x_waiting) == 0) || !family_is_user(family))
		return false;
	if (polls++ % LOOK_EVERY == 0)
		look_at_all(family);
	index = find_filled(family, *last % end);
	if (index >= end)
		index = find_filled(family, 0);
	if (index >= end)
		return false;
	if (stack_is_empty(&family->limbo[index]))
		note_empty(family, index);
	else if (poll_stack(family, index, false))
		return true;
	*last = index + 1;
	return false;
}

bool limbo_poll(arn_family *family)
{
	return poll_next(family, &polled, LIMBO_STACKS);
}

/* Among all stacks the few that have such pools would come up too seldom. */
bool limbo_poll_space(arn_family *family)
{
	if (BUG(poll_any_stack))
		return limbo_poll(family);
	return poll_next(family, &polled_space, index_of(ARN_TAG_MEM + 1, 0));
}

#define MORE_POLLS 8u

/* Heaps without a provider have no pools that wait, but they can use the slices of those that do.
 * So it is the family that is asked to which a pool was added last.  When two polls in a row
 * release nothing, the readers of the others are hardly done, either. */
void limbo_make_room(size_t growth)
{
	arn_family *family = load_acquire(&x_latest); /* S2 */
	unsigned barren = 0;

	if (!family)
		return;
	for (unsigned n = 0;
	     n < MORE_POLLS && barren < 2 && tally_read(&arena_counters.x_waiting) >= MIB; n++)
		barren = limbo_poll(family) ? 0 : barren + 1;
	if (growth > 0 && tally_read(&arena_counters.x_waiting) >= MIB && os_takes_pages())
		retain_note_trade(purge_from(family, polled, retain_may_trade(growth)));
}

/* Each stack is polled until nothing more leaves it.  A stack whose newest LIMBO_STEP pools still
 * wait is not looked at further down. */
void limbo_poll_all(arn_family *family, bool stopped)
{
	if (load_relaxed(&family->x_waiting) == 0 || (!stopped && !family_is_user(family)))
		return;
	for (unsigned index = 0; index < LIMBO_STACKS; index++)
		while (poll_stack(family, index, stopped))
			;
}

/* Purges up to LIMBO_BATCH pools of the stack.  false: it is empty, or the system refuses. */
static bool purge_stack(arn_family *family, unsigned index)
{
	struct popped popped = { .n = 0, .bytes = 0 };

	if (!os_takes_pages())
		return false;
	pop_some(family, index, SIZE_MAX, &popped);
	return purge_popped(family, &popped) > 0;
}

/* Pools that other threads push meanwhile may keep their pages: it is a matter of memory alone. */
void limbo_purge(arn_family *family)
{
	if (load_relaxed(&family->x_waiting) == 0)
		return;
	for (unsigned index = index_of(ARN_TAG_MEM + 1, 0); index < LIMBO_STACKS; index++)
		while (purge_stack(family, index))
			;
}
