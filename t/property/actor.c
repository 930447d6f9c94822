/* SPDX-License-Identifier: MIT
 *
 * actor.c - a thread of the program, and what it does.  It keeps bundles of blocks in slots of its
 * own and exchanges them with the boxes, so that others free what it has made.
 */
#include "property/property.h"

#include <limits.h>

struct actor actors[ACTORS];
_Atomic(struct bundle *) boxes[BOXES];
static struct handles handles[ACTORS];
static pthread_key_t key;

#ifdef ARN_TSAN /* it leaves a thread before the last round */
#define DESTRUCTOR_ROUNDS 1
#else
#define DESTRUCTOR_ROUNDS PTHREAD_DESTRUCTOR_ITERATIONS
#endif

/* ---- steps ----------------------------------------------------------------------------------- */

/*
 * A face of a family from which this thread may allocate: any family that has no provider, or the
 * one to which the thread is attached.
 */
static struct face some_face(struct actor *actor)
{
	unsigned family = (unsigned)rng_below(&actor->rng, FAMILIES),
		 tag = (unsigned)rng_below(&actor->rng, ARN_TAGS);

	if (family >= FIRST_INTERP)
		family = readers_attached() < INTERPS ? FIRST_INTERP + readers_attached() : PLAIN;
	if (family == DEFAULT && tag <= ARN_TAG_OBJECT && rng_below(&actor->rng, 2))
		return (struct face){ NULL, family, tag };
	return (struct face){ &actor->handles->heap[family][tag], family, tag };
}

static _Atomic(struct bundle *) *some_slot(struct actor *actor)
{
	return &actor->slot[rng_below(&actor->rng, SLOTS)];
}

/*
 * Take a bundle out of its slot.  What a thread has in hand is in no slot, so the child of a fork
 * leaves it alone.
 */
static struct bundle *take(_Atomic(struct bundle *) *slot)
{
	return atomic_exchange(slot, NULL);
}

static void make(struct actor *actor)
{
	struct face face = some_face(actor);
	_Atomic(struct bundle *) *slot = some_slot(actor);

	bundle_drop(take(slot));
	atomic_store(slot, bundle_make(&face, &actor->rng));
}

static void swap(struct actor *actor)
{
	_Atomic(struct bundle *) *slot = some_slot(actor);
	struct bundle *bundle = take(slot);

	atomic_store(slot, atomic_exchange(&boxes[rng_below(&actor->rng, BOXES)], bundle));
}

static void drop(struct actor *actor)
{
	bundle_drop(take(some_slot(actor)));
}

static void thin(struct actor *actor)
{
	_Atomic(struct bundle *) *slot = some_slot(actor);
	struct bundle *bundle = take(slot);

	if (bundle)
		bundle_thin(bundle, 1 + (unsigned)rng_below(&actor->rng, 3), &actor->rng);
	atomic_store(slot, bundle);
}

static void resize(struct actor *actor)
{
	_Atomic(struct bundle *) *slot = some_slot(actor);
	struct bundle *bundle = take(slot);
	struct face face = some_face(actor);

	if (bundle)
		bundle_resize(bundle, &face, &actor->rng);
	atomic_store(slot, bundle);
}

/* Allocate and free in pairs, so that pool caches grow. */
static void churn(struct actor *actor)
{
	struct face face = some_face(actor);
	size_t size = rng_below(&actor->rng, rng_below(&actor->rng, 4) ? 500 : 40000);
	void *block[16] = { 0 };

	for (unsigned i = 0; i < 600; i++) {
		void **at = &block[rng_below(&actor->rng, array_length(block))];

		arn_free(*at);
		*at = face_malloc(&face, size);
		must(*at || drawn.may_fail, "no memory for %zu bytes", size);
	}
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
}

static void abandon_one(struct actor *actor)
{
	if (!is_left_out("abandon"))
		arn_heap_abandon(&actor->handles->heap[rng_below(&actor->rng, FAMILIES)]
		                                      [rng_below(&actor->rng, ARN_TAGS)]);
}

static void trim(struct actor *actor)
{
	if (rng_below(&actor->rng, 3) == 0 && !is_left_out("trim"))
		arn_trim();
}

static void ask(struct actor *actor)
{
	struct bundle *bundle = take(&actor->slot[0]);
	struct arn_stats stats;
	struct arn_resident resident;

	if (bundle && bundle->count && bundle->item[0].block) {
		struct item *item = &bundle->item[0];

		must(arn_usable_size(item->block) >= item->size,
		     "block %p has less than it was asked for", (void *)item->block);
		must(arn_tag_of(item->block) == item->tag, "block %p has another tag",
		     (void *)item->block);
		(void)arn_owner(item->block);
	}
	atomic_store(&actor->slot[0], bundle);
	if (!is_left_out("stale"))
		blocks_ask_stale();
	if (rng_below(&actor->rng, 8) == 0)
		arn_stats_read(&stats, sizeof(stats));
	if (rng_below(&actor->rng, 32) == 0)
		arn_stats_resident(&resident, sizeof(resident));
}

static void attach(struct actor *actor)
{
	readers_detach();
	if (rng_below(&actor->rng, 3))
		readers_attach((unsigned)rng_below(&actor->rng, INTERPS), actor->self);
	actor->stubborn = rng_below(&actor->rng, 4) == 0;
}

static void pass(struct actor *actor)
{
	if (!actor->stubborn)
		readers_quiescent();
}

/* The thread waits from now on, attached or not, until everything has been dropped. */
static void go_idle(struct actor *actor)
{
	if (rng_below(&actor->rng, 30) || actor->self == 0 || is_left_out("idle"))
		return;
	if (!actor->stubborn)
		readers_detach();
	actor->idle = true;
}

static void go_away(struct actor *actor)
{
	actor->ends = rng_below(&actor->rng, 20) == 0 && actor->self != 0 && !is_left_out("end");
}

static void step(struct actor *actor)
{
	static void (*const steps[])(struct actor *) = {
		make,   make,   make, make, make, make, make,   make,  make,        make,    make,
		make,   swap,   swap, swap, swap, swap, swap,   swap,  swap,        drop,    drop,
		drop,   drop,   drop, thin, thin, thin, resize, churn, abandon_one, trim,    ask,
		attach, attach, pass, pass, pass, pass, pass,   pass,  go_idle,     go_away,
	};

	steps[rng_below(&actor->rng, array_length(steps))](actor);
}

void actor_act(struct actor *actor)
{
	for (unsigned i = 0; i < actor->steps && !actor->idle && !actor->ends; i++) {
		step(actor);
		bound_check_limit();
	}
}

void actor_detach(struct actor *actor)
{
	(void)actor;
	readers_detach();
}

/* ---- a thousand calls ------------------------------------------------------------------------ */

enum { CALLS = 1000, WINDOW = 8 };

/*
 * Call malloc and free with sizes that differ, so that slow paths are among the calls.  Time goes
 * by.
 */
static void call_family(struct actor *actor, unsigned family)
{
	void *block[WINDOW] = { 0 };

	for (unsigned call = 0; call < CALLS; call++) {
		void **at = &block[rng_below(&actor->rng, WINDOW)];
		struct face face = {
			&actor->handles->heap[family][rng_below(&actor->rng, ARN_TAGS)], family, 0
		};

		add_relaxed(&os_ahead, 100);
		readers_quiescent();
		if (*at)
			arn_free(*at), *at = NULL;
		else
			must((*at = face_malloc(&face, rng_below(&actor->rng, 3000))) ||
			             drawn.may_fail,
			     "no memory for a few bytes after the drop");
	}
	for (unsigned i = 0; i < WINDOW; i++)
		arn_free(block[i]);
	readers_quiescent();
}

void actor_call(struct actor *actor)
{
	for (unsigned family = 0; family < FAMILIES; family++) {
		readers_detach();
		if (family >= FIRST_INTERP)
			readers_attach(family - FIRST_INTERP, actor->self);
		call_family(actor, family);
	}
	readers_detach();
}

/* ---- threads --------------------------------------------------------------------------------- */

/*
 * Allocate while the thread ends, in every round of destructors that there is, as a key of another
 * library may.
 */
static void destruct(void *rounds)
{
	uintptr_t left = (uintptr_t)rounds;

	arn_free(arn_mem_malloc(100));
	arn_free(arn_obj_malloc(2000));
	if (left > 1)
		pthread_setspecific(key, (void *)(left - 1));
}

void actor_abandon(struct actor *actor)
{
	for (unsigned family = 0; family < FAMILIES; family++)
		for (unsigned tag = 0; tag < ARN_TAGS; tag++)
			arn_heap_abandon(&actor->handles->heap[family][tag]);
}

void actor_pass_on(struct actor *actor)
{
	for (unsigned family = 0; family < FAMILIES; family++)
		for (unsigned tag = 0; tag < ARN_TAGS; tag++)
			arn_heap_pass(&actor->handles->heap[family][tag]);
}

static void leave(struct actor *actor)
{
	readers_detach();
	if (actor->abandons)
		actor_abandon(actor);
	if (actor->destructs)
		pthread_setspecific(key, (void *)(uintptr_t)DESTRUCTOR_ROUNDS);
}

static void *live(void *arg)
{
	struct actor *actor = arg;

	for (;;) {
		sem_wait(&actor->turn);
		if (!actor->job)
			break;
		actor->job(actor);
		sem_post(&actor->done);
	}
	leave(actor);
	return NULL;
}

void actor_start(struct actor *actor)
{
	actor->runs = true;
	actor->idle = actor->ends = actor->stubborn = false;
	actor->abandons = rng_below(&actor->rng, 2) == 0;
	actor->destructs = rng_below(&actor->rng, 4) == 0 && !is_left_out("destruct");
	if (actor->self && pthread_create(&actor->thread, NULL, live, actor))
		violated("no thread for the test itself");
}

void actor_end(struct actor *actor)
{
	actor->job = NULL;
	sem_post(&actor->turn);
	pthread_join(actor->thread, NULL);
	actor->runs = false;
	readers_release(actor->self);
	if (is_left_out("late_abandon") && !actor->abandons)
		actor_abandon(actor);
}

void actors_begin(uint32_t who, void (*job)(struct actor *), unsigned steps)
{
	for (unsigned i = 0; i < ACTORS; i++) {
		actors[i].job = job;
		actors[i].steps = steps;
		if (i > 0 && (who >> i & 1))
			sem_post(&actors[i].turn);
	}
}

void actors_wait(uint32_t who)
{
	for (unsigned i = 1; i < ACTORS; i++)
		if (who >> i & 1)
			sem_wait(&actors[i].done);
}

void actors_turn(uint32_t who, void (*job)(struct actor *), unsigned steps)
{
	actors_begin(who, job, steps);
	if (who & 1)
		job(&actors[0]);
	actors_wait(who);
}

void actors_init(void)
{
	pthread_key_create(&key, destruct);
	for (unsigned i = 0; i < ACTORS; i++) {
		struct actor *actor = &actors[i];

		actor->self = i;
		actor->rng.state = ((drawn.seed + i + 1) * 0x9e3779b97f4a7c15u) | 1;
		actor->handles = &handles[i];
		sem_init(&actor->turn, 0, 0);
		sem_init(&actor->done, 0, 0);
	}
	actors[0].runs = true;
}
