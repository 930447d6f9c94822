/* SPDX-License-Identifier: MIT
 *
 * round.c - the script of a round: turns, and between them what an embedder may do while its
 * threads are stopped.  Then threads that chance picks drop everything, readers are released, any
 * one thread makes a thousand calls, and the bound has to hold.
 */
#include "property/property.h"

#include "base/option.h"

#include <sys/wait.h>

enum { PILE = ACTORS * SLOTS + BOXES };

static struct rng rng;

static size_t below(size_t n)
{
	return rng_below(&rng, n);
}

/* True once in n times, unless the operation is to be left out. */
static bool by_chance(size_t n, const char *operation)
{
	return below(n) == 0 && !is_left_out(operation);
}

static uint32_t bit(unsigned i)
{
	return (uint32_t)1 << i;
}

/* The threads that run and do not wait. */
static uint32_t active(void)
{
	uint32_t who = 0;

	for (unsigned i = 0; i < ACTORS; i++)
		who |= actors[i].runs && !actors[i].idle ? bit(i) : 0;
	return who;
}

static uint32_t one_of(uint32_t who)
{
	unsigned n = (unsigned)below(count_bits(who));

	while (n-- > 0)
		who &= who - 1;
	return who & -who;
}

static uint32_t some_of(uint32_t who)
{
	uint32_t some = who & (uint32_t)rng_next(&rng);

	return drawn.in_turns || !some ? one_of(who) : some;
}

/* ---- all is dropped -------------------------------------------------------------------------- */

static struct bundle *pile[PILE];
static _Atomic unsigned x_piled;

static void pile_up(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ACTORS * SLOTS; i++)
		pile[n++] = atomic_exchange(&actors[i / SLOTS].slot[i % SLOTS], NULL);
	for (unsigned i = 0; i < BOXES; i++)
		pile[n++] = atomic_exchange(&boxes[i], NULL);
	for (unsigned i = 0; i < PILE; i++) {
		unsigned k = (unsigned)below(PILE);
		struct bundle *bundle = pile[i];

		pile[i] = pile[k];
		pile[k] = bundle;
	}
	store_relaxed(&x_piled, PILE);
}

static void drop_from_pile(struct actor *actor)
{
	for (unsigned i = 0; i < actor->steps; i++) {
		unsigned left = load_relaxed(&x_piled);

		while (left > 0 && !cas_acquire(&x_piled, &left, left - 1))
			;
		if (left == 0)
			return;
		bundle_drop(pile[left - 1]);
	}
}

static void drop_all(void)
{
	uint32_t droppers = below(2) ? active() : one_of(active());

	pile_up();
	while (load_relaxed(&x_piled) > 0)
		actors_turn(some_of(droppers), drop_from_pile, 1 + (unsigned)below(20));
	must(drawn.has_leak || load_relaxed(&live_bytes) == 0, "the test has not dropped all");
}

/* ---- what happens between turns -------------------------------------------------------------- */

static void bind_all(struct handles *handles)
{
	for (unsigned family = 0; family < FAMILIES; family++)
		for (unsigned tag = 0; tag < ARN_TAGS; tag++)
			arn_heap_init(&handles->heap[family][tag],
			              family >= FIRST_INTERP
			                      ? readers_family(family - FIRST_INTERP)
			                      : actors[0].handles->heap[family][0].family,
			              tag);
}

static bool count_block(const arn_heap *heap, const struct arn_area *area, void *block, size_t size,
                        void *arg)
{
	(void)heap, (void)area, (void)size;
	*(size_t *)arg += block != NULL;
	return true;
}

static void count_items(const struct bundle *bundle, unsigned family, unsigned tag, size_t *count)
{
	for (unsigned i = 0; bundle && i < bundle->count; i++)
		*count += bundle->item[i].block && bundle->item[i].family == family &&
		          bundle->item[i].tag == tag;
}

static size_t count_alive(unsigned family, unsigned tag)
{
	size_t count = 0;

	for (unsigned i = 0; i < ACTORS * SLOTS; i++)
		count_items(load_relaxed(&actors[i / SLOTS].slot[i % SLOTS]), family, tag, &count);
	for (unsigned i = 0; i < BOXES; i++)
		count_items(load_relaxed(&boxes[i]), family, tag, &count);
	return count;
}

static size_t count_visited(unsigned family, unsigned tag)
{
	arn_family *walked = actors[0].handles->heap[family][tag].family;
	size_t count = 0;

	for (unsigned i = 0; i < ACTORS; i++)
		arn_heap_visit(&actors[i].handles->heap[family][tag], true, count_block, &count);
	arn_family_visit_orphans(walked, tag, true, count_block, &count);
	return count;
}

/*
 * Walk the heaps of a family, as a collector does.  The heaps of the C domains have no handle by
 * which they could be visited.  In a family with a provider the blocks that other threads have
 * gathered count as live: up to 64 for each thread.
 */
static void walk(unsigned family)
{
	size_t gathered = ACTORS * 64;

	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		size_t visited = count_visited(family, tag), alive = count_alive(family, tag);

		if (family == DEFAULT && tag <= ARN_TAG_OBJECT)
			continue;
		if (drawn.has_leak)
			continue;
		must(visited == alive || (family >= FIRST_INTERP && tag <= ARN_TAG_OBJECT &&
		                          visited > alive && visited <= alive + gathered),
		     "a walk of family %u, tag %u, finds %zu blocks, and %zu are alive", family,
		     tag, visited, alive);
	}
}

static void walk_as_user(void)
{
	unsigned family = (unsigned)below(FAMILIES);

	readers_detach();
	if (family >= FIRST_INTERP)
		readers_attach(family - FIRST_INTERP, 0);
	walk(family);
	for (unsigned i = 0; i < ACTORS && below(2); i++)
		for (unsigned tag = 0; tag <= ARN_TAG_OBJECT; tag++)
			arn_heap_trim_if_idle(&actors[i].handles->heap[family][tag]);
}

/* A reader has loaded a pointer to a live object. */
static void let_see(void)
{
	struct bundle *bundle = load_relaxed(&boxes[below(BOXES)]);
	struct item *item = bundle && bundle->count ? &bundle->item[below(bundle->count)] : NULL;

	if (item && item->block && item->tag != ARN_TAG_MEM)
		readers_see((unsigned)below(ACTORS), item->block);
}

/* An interpreter ends.  Its heaps have no owner, and its blocks have been freed. */
static void end_interp(unsigned family)
{
	readers_end(family - FIRST_INTERP);
	actors_turn(active(), actor_detach, 0);
	for (unsigned i = 0; i < ACTORS * SLOTS; i++)
		bundle_drop_family(load_relaxed(&actors[i / SLOTS].slot[i % SLOTS]), family);
	for (unsigned i = 0; i < BOXES; i++)
		bundle_drop_family(load_relaxed(&boxes[i]), family);
	for (unsigned i = 0; i < ACTORS * ARN_TAGS; i++)
		arn_heap_abandon(&actors[i / ARN_TAGS].handles->heap[family][i % ARN_TAGS]);
}

/* An interpreter ends, and one begins at the same address, while the threads of others are at
 * work. */
static void begin_anew(void)
{
	unsigned interp = (unsigned)below(INTERPS);
	uint32_t who = active() & ~bit(0);

	for (unsigned i = 0; i < ACTORS; i++)
		if (actors[i].runs && actors[i].idle && actors[i].stubborn)
			return;
	end_interp(FIRST_INTERP + interp);
	if (!drawn.in_turns)
		actors_begin(who, actor_act, 10);
	readers_begin_anew(interp);
	if (!drawn.in_turns)
		actors_wait(who);
}

static bool may_move(const struct actor *actor)
{
	return !actor->runs || !actor->idle;
}

/* Let two threads go on with each other's heaps. */
static void move_handles(void)
{
	struct actor *a = &actors[below(ACTORS)], *b = &actors[below(ACTORS)];
	struct handles *handles = a->handles;

	if (!may_move(a) || !may_move(b))
		return;
	actors_turn(((bit(a->self) | bit(b->self)) & active()), actor_pass_on, 0);
	a->handles = b->handles;
	b->handles = handles;
}

static void refuse(void)
{
	_Atomic unsigned *const countdowns[] = { &os_fail_map, &os_fail_unmap, &os_fail_purge,
		                                 &os_fail_purge, &os_fail_barrier };

	atomic_store(&os_fail_on, below(3) == 0);
	atomic_store(countdowns[below(array_length(countdowns))], 1 + (unsigned)below(20));
}

static void recover(void)
{
	atomic_store(&os_fail_on, false);
	atomic_store(&os_fail_map, 0);
	atomic_store(&os_fail_unmap, 0);
	atomic_store(&os_fail_purge, 0);
	atomic_store(&os_fail_barrier, 0);
}

/* Run short threads, one after the other, each of which does the same few things. */
static void short_threads(void)
{
	for (unsigned i = 0; i < ACTORS; i++) {
		struct actor *actor = &actors[i];

		for (unsigned n = 0; !actor->runs && n < 50; n++) {
			actor_start(actor);
			actors_turn(bit(i), actor_act, 2);
			actor_end(actor);
		}
		if (!actor->runs)
			break;
	}
}

static void end_and_start(void)
{
	for (unsigned i = 1; i < ACTORS; i++) {
		if (actors[i].runs && actors[i].ends)
			actor_end(&actors[i]);
		else if (!actors[i].runs && below(10) == 0)
			actor_start(&actors[i]);
	}
}

static void finish(void);

/* In the child: the thread that has forked goes on, and is the main thread from now on. */
static void be_child(bool beside, struct actor *self)
{
	struct handles *handles = actors[0].handles;

	tap_alarm(60);
	yield_start(0, 0);
	drawn.is_child = drawn.in_turns = true;
	drawn.has_leak |= beside;
	drawn.gone += beside ? count_bits(active() & ~bit(self->self)) : 0;
	actors[0].handles = self->handles;
	self->handles = handles;
	readers_detach();
	for (unsigned i = 1; i < ACTORS; i++) {
		actors[i].runs = false;
		readers_release(i);
		actor_abandon(&actors[i]);
	}
	finish();
	fflush(stdout);
	_exit(0);
}

static void fork_as(struct actor *self, bool beside)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0)
		be_child(beside, self);
	must(child < 0 || waitpid(child, &status, 0) == child, "waitpid");
	must(status == 0, "the child of a fork%s: %s %d", beside ? " beside others at work" : "",
	     WIFSIGNALED(status) ? "signal" : "exit",
	     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void fork_beside(struct actor *self)
{
	fork_as(self, true);
}

/* Another thread forks meanwhile. */
static void fork_beside_walk(void)
{
	uint32_t who = one_of(active());

	actors_begin(who & ~bit(0), fork_beside, 0);
	walk_as_user();
	actors_wait(who & ~bit(0));
}

/* Abandon the handles of threads that have ended, while others are at work. */
static void abandon_gone(void)
{
	for (unsigned i = 1; i < ACTORS; i++)
		if (!actors[i].runs && !is_left_out("abandon_gone"))
			actor_abandon(&actors[i]);
}

static void happen(void)
{
	end_and_start();
	if (below(2))
		let_see();
	if (by_chance(12, "walk"))
		walk_as_user();
	if (by_chance(20, "abandon_other"))
		actor_abandon(&actors[below(ACTORS)]);
	if (by_chance(8, "move"))
		move_handles();
	if (by_chance(40, "anew"))
		begin_anew();
	if (by_chance(100, "short"))
		short_threads();
	if (by_chance(10, "time"))
		add_relaxed(&os_ahead, (unsigned)below(20000));
	if (drawn.refuses && by_chance(10, "refuse"))
		refuse();
	if (by_chance(40, "fork"))
		fork_as(&actors[0], false);
	if (by_chance(60, "fork_beside"))
		fork_beside_walk();
	bound_check_limit();
}

/* ---- a round --------------------------------------------------------------------------------- */

/* Release all readers.  Some threads end, the others still wait. */
static void release_all(void)
{
	actors_turn(active(), actor_detach, 0);
	for (unsigned i = 1; i < ACTORS; i++) {
		readers_release(i);
		if (actors[i].runs && (actors[i].ends || below(3) == 0))
			actor_end(&actors[i]);
	}
	if (below(4) == 0)
		walk_as_user();
	readers_detach();
}

/* The thread that makes the calls: one that has waited, the main one, or a new one. */
static struct actor *some_caller(void)
{
	struct actor *caller = &actors[drawn.is_child ? 0 : below(ACTORS)];

	if (!caller->runs)
		actor_start(caller);
	return caller;
}

/*
 * What has been dropped can be had again: half of the limit, in blocks of any size, if pool caches
 * leave that much.
 */
static void check_half_of_limit(size_t held)
{
	static const size_t sizes[] = { 100, 1000, 50000, MIB };
	struct face face = { &actors[0].handles->heap[PLAIN][ARN_TAG_MEM], PLAIN, ARN_TAG_MEM };
	size_t half = option(OPTION_LIMIT) / 2, kind = below(array_length(sizes) + 1);
	size_t size = kind < array_length(sizes) ? sizes[kind] : half;
	struct bundle *bundle;

	if (held >= half / 4 || is_left_out("limit"))
		return;
	bundle = bundle_fill(&face, size, half);
	must(bundle->count == half / size,
	     "LIMIT of %zu MiB: of half of it, in blocks of %zu bytes, %u of %zu are had",
	     half * 2 / MIB, size, bundle->count, half / size);
	bundle_drop(bundle);
}

static void finish(void)
{
	recover();
	drop_all();
	release_all();
	actors_turn(bit(some_caller()->self), actor_call, 0);
	check_half_of_limit(bound_check());
}

static void give_turn(void)
{
	uint32_t who = some_of(active());
	unsigned steps = 1 + (unsigned)below(drawn.in_turns ? 20 : 40);

	if (drawn.in_turns || below(15)) {
		actors_turn(who, actor_act, steps);
		return;
	}
	actors_begin(who & ~bit(0), actor_act, steps);
	if (below(2) && !is_left_out("fork_beside"))
		fork_as(&actors[0], true);
	else
		abandon_gone();
	actors_wait(who & ~bit(0));
}

void round_run(void)
{
	rng.state = drawn.seed * 0x9e3779b97f4a7c15u | 1;
	actors_init();
	readers_start();
	actors[0].handles->heap[DEFAULT][0].family = NULL;
	actors[0].handles->heap[PLAIN][0].family = arn_family_new(NULL);
	for (unsigned i = 0; i < ACTORS; i++) {
		bind_all(actors[i].handles);
		if (i > 0 && below(2))
			actor_start(&actors[i]);
	}
	if (!drawn.in_turns)
		yield_start(drawn.seed, 50);
	for (unsigned turn = 0; turn < drawn.turns; turn++) {
		give_turn();
		happen();
	}
	finish();
}
