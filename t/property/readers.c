/* SPDX-License-Identifier: MIT
 *
 * readers.c - interpreters: families whose provider gives goals and polls them as CPython's QSBR
 * does (Python/qsbr.c and _PyMem_mi_page_maybe_free of 3.13 to 3.15).  A goal may be a number that
 * has not been issued: the counter moves only when a thread has asked for goals of more than
 * ADVANCE bytes, or when somebody polls.
 *
 * A reader holds pointers to objects that it has seen alive since it was last quiescent.  Until it
 * is quiescent again, each of them is the start of a block, wherever it was freed meanwhile (rule
 * R2 of doc/readers.md).
 */
#include "property/property.h"

#define ADVANCE (80 * KIB)

struct slot {
	_Atomic uint64_t x_seen; /* 0: detached */
	size_t deferred;         /* its thread's */
	void *late[LATE];        /* its thread's, and the main thread's between turns */
};

struct interp {
	_Atomic uint64_t x_sequence;
	_Atomic bool x_ends; /* nobody may attach */
	struct slot slot[ACTORS];
	arn_family *family;
};

static struct interp interps[INTERPS];
static __thread struct interp *attached;
static __thread unsigned own_slot;

static uint64_t advance(struct interp *interp)
{
	return add_seq(&interp->x_sequence, 2) + 2;
}

static uint64_t goal_of(struct interp *interp, size_t *deferred, size_t bytes)
{
	*deferred += bytes;
	if (*deferred <= ADVANCE)
		return load_seq(&interp->x_sequence) + 2;
	*deferred = 0;
	return advance(interp);
}

/* A thread that waits for the number that comes next issues it (arenite.h). */
static void issue(struct interp *interp, uint64_t wanted)
{
	uint64_t before = wanted - 2;

	(void)cas_seq(&interp->x_sequence, &before, wanted);
}

static bool is_reached(struct interp *interp, uint64_t wanted)
{
	uint64_t least;

	issue(interp, wanted);
	least = load_seq(&interp->x_sequence);
	for (unsigned i = 0; i < ACTORS; i++) {
		uint64_t seen = load_seq(&interp->slot[i].x_seen);

		if (seen && seen < least)
			least = seen;
	}
	return wanted <= least;
}

/*
 * A goal as CPython gives it: of the interpreter to which the thread is attached, and of no use to
 * others.
 */
static uint64_t goal(size_t bytes)
{
	return goal_of(attached, &attached->slot[own_slot].deferred, bytes);
}

static bool reached(uint64_t wanted)
{
	return is_reached(attached, wanted);
}

static bool is_user(const arn_family *family)
{
	return attached && attached->family == family;
}

/* The last interpreter has a provider of another kind, which any thread may ask. */
static uint64_t goal_for_any(size_t bytes)
{
	static __thread size_t deferred;

	return goal_of(&interps[INTERPS - 1], &deferred, bytes);
}

static bool reached_for_any(uint64_t wanted)
{
	return is_reached(&interps[INTERPS - 1], wanted);
}

static const struct arn_provider providers[INTERPS] = {
	{ .goal = goal, .reached = reached, .is_user = is_user },
	{ .goal = goal_for_any, .reached = reached_for_any },
};

/* The reader looks once more at what it has seen, and forgets it. */
static void look_late(struct slot *slot)
{
	for (unsigned i = 0; i < LATE; i++) {
		struct pool *pool = slot->late[i] ? pool_find(slot->late[i]) : NULL;

		must(!slot->late[i] || pool, "a reader's object %p is in no pool any more",
		     slot->late[i]);
		must(!pool || pool_is_block(pool, slot->late[i]),
		     "a reader's object %p is inside another block", slot->late[i]);
		slot->late[i] = NULL;
	}
}

unsigned readers_attached(void)
{
	return attached ? (unsigned)(attached - interps) : INTERPS;
}

void readers_attach(unsigned interp, unsigned slot)
{
	if (load_acquire(&interps[interp].x_ends))
		return;
	attached = &interps[interp];
	own_slot = slot;
	store_seq(&attached->slot[slot].x_seen, load_seq(&attached->x_sequence));
}

void readers_detach(void)
{
	if (!attached)
		return;
	look_late(&attached->slot[own_slot]);
	store_seq(&attached->slot[own_slot].x_seen, 0);
	attached = NULL;
}

void readers_quiescent(void)
{
	if (!attached)
		return;
	look_late(&attached->slot[own_slot]);
	store_seq(&attached->slot[own_slot].x_seen, load_seq(&attached->x_sequence));
}

void readers_see(unsigned slot, void *object)
{
	for (unsigned k = 0; k < INTERPS; k++) {
		struct slot *reader = &interps[k].slot[slot];

		for (unsigned i = 0; i < LATE && load_seq(&reader->x_seen); i++) {
			if (reader->late[i])
				continue;
			if (load_relaxed(&pool_find(object)->x_heap)->family == interps[k].family)
				reader->late[i] = object;
			break;
		}
	}
}

void readers_release(unsigned slot)
{
	for (unsigned k = 0; k < INTERPS; k++) {
		memset(interps[k].slot[slot].late, 0, sizeof(interps[k].slot[slot].late));
		store_seq(&interps[k].slot[slot].x_seen, 0);
	}
}

arn_family *readers_family(unsigned interp)
{
	return interps[interp].family;
}

void readers_end(unsigned interp)
{
	store_release(&interps[interp].x_ends, true);
}

void readers_begin_anew(unsigned interp)
{
	interps[interp].family = arn_family_at(&providers[interp], &interps[interp]);
	must(interps[interp].family, "no memory for a family");
	store_release(&interps[interp].x_ends, false);
}

void readers_start(void)
{
	for (unsigned k = 0; k < INTERPS; k++) {
		store_seq(&interps[k].x_sequence, 1);
		readers_begin_anew(k);
	}
}
