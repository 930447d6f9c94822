/* SPDX-License-Identifier: MIT
 *
 * property.h - the property under test: whatever threads do and wherever they wait, once everything
 * has been dropped and any one thread makes a thousand calls, what is claimed and what is resident
 * has fallen to its bound.
 *
 * A round is one process with options, faults and an order of steps of its own, all of them drawn
 * from its seed.
 *
 *     property.c           seeds, rounds, options; what is printed
 *     round.c              the script of a round: turns of the threads, what happens between turns,
 *                          the end
 *     actor.c              a thread, and the steps that it takes
 *     blocks.c             blocks with a pattern
 *     readers.c            interpreters: families whose provider works as CPython's QSBR does
 *     account.c            what there is, added up from the structures themselves
 *     bound.c              the bound, as an equation
 *
 * Threads act only in turns, which the main thread gives.  In a round "in turns" one thread acts at
 * a time, so that its seed repeats it; in the others several act at the same time, with pauses at
 * the library's yield points.  Between two turns all of them are stopped outside the library: then
 * the main thread walks heaps, forks, abandons other threads' handles and ends interpreters, as an
 * embedder may.
 */
#ifndef ARN_T_PROPERTY_H
#define ARN_T_PROPERTY_H

#include "support/core.h"
#include "heap/heap.h"
#include "os/os.h"

#include <arenite/arenite.h>
#include <semaphore.h>

enum { ACTORS = 10, SLOTS = 6, BOXES = 24, INTERPS = 2, LATE = 4 };
enum { DEFAULT, PLAIN, FIRST_INTERP, FAMILIES = FIRST_INTERP + INTERPS };

/* What the seed of a round decides. */
struct plan {
	uint64_t seed;
	bool in_turns;
	size_t at_once; /* so many threads are at work at the same time */
	bool may_fail;  /* there is a limit, or the system refuses: NULL is an answer */
	bool refuses;   /* the system, now and then */
	bool is_child;  /* of a fork */
	bool has_leak; /* of a fork beside threads at work: blocks that they had in hand are lost */
	size_t gone;   /* so many of them there were */
	size_t memory; /* what the program has alive at most */
	unsigned turns;
};

extern struct plan drawn;

/* The property does not hold: say so, and end the round. */
__attribute__((format(printf, 1, 2))) _Noreturn void violated(const char *fmt, ...);
#define must(condition, ...) ((condition) ? (void)0 : violated(__VA_ARGS__))
/* Is this operation to be left out?  ARN_PROPERTY_WITHOUT is a list of names, to narrow a failure
 * down. */
bool is_left_out(const char *operation);

/* ---- blocks ---------------------------------------------------------------------------------- */

struct item {
	unsigned char *block;
	size_t size;
	uint64_t key; /* of the pattern */
	uint8_t family, tag;
};

struct bundle {
	unsigned count;
	struct item item[];
};

/* Where blocks are made.  handle NULL: the C domain of this tag. */
struct face {
	arn_heap *handle;
	unsigned family, tag;
};

extern _Atomic size_t live_bytes;

/* Make a bundle of blocks.  NULL: as much is live as the round allows, or there is no memory. */
struct bundle *bundle_make(const struct face *face, struct rng *rng);
/*
 * Make a bundle of many blocks of one size, of `bytes` bytes altogether at most.  NULL: as above.
 */
struct bundle *bundle_fill(const struct face *face, size_t size, size_t bytes);
void bundle_drop(struct bundle *bundle);
/* Drop the blocks of one family; the others stay. */
void bundle_drop_family(struct bundle *bundle, unsigned family);
/* Free one block in `one_in`, chosen by chance; all others stay. */
void bundle_thin(struct bundle *bundle, unsigned one_in, struct rng *rng);
void bundle_resize(struct bundle *bundle, const struct face *face, struct rng *rng);
void *face_malloc(const struct face *face, size_t size);
/* Ask about addresses of blocks that have been freed. */
void blocks_ask_stale(void);

/* ---- readers --------------------------------------------------------------------------------- */

/*
 * The interpreter to which the calling thread is attached; INTERPS: none.  `slot` is the thread's
 * number.
 */
unsigned readers_attached(void);
void readers_attach(unsigned interp, unsigned slot);
void readers_detach(void);
void readers_quiescent(void);
/*
 * Any thread calls this while the thread of the slot is stopped: that thread may have loaded this
 * pointer now.
 */
void readers_see(unsigned slot, void *object);
/* The thread of this slot is detached, or gone. */
void readers_release(unsigned slot);
arn_family *readers_family(unsigned interp);
/*
 * The interpreter ends: no thread is attached, and none can attach.  Then another one begins in its
 * place.
 */
void readers_end(unsigned interp);
void readers_begin_anew(unsigned interp);
void readers_start(void);

/* ---- actors ---------------------------------------------------------------------------------- */

struct handles {
	arn_heap heap[FAMILIES][ARN_TAGS];
};

struct actor {
	unsigned self;
	struct rng rng;
	struct handles *handles;
	_Atomic(struct bundle *) slot[SLOTS];
	void (*job)(struct actor *);
	unsigned steps;
	bool runs, idle, ends, stubborn;
	bool abandons, destructs; /* at its end: its handles; and it allocates in key destructors */
	pthread_t thread;
	sem_t turn, done;
};

extern struct actor actors[ACTORS]; /* the first is the main thread */
extern _Atomic(struct bundle *) boxes[BOXES];

void actors_init(void);
void actor_start(struct actor *actor);
void actor_end(struct actor *actor);
/*
 * Let these actors do their job, all at the same time, and wait until they are stopped again.  The
 * main thread comes first if it is one of them.
 */
void actors_turn(uint32_t who, void (*job)(struct actor *), unsigned steps);
/* The same in two parts, without the main thread. */
void actors_begin(uint32_t who, void (*job)(struct actor *), unsigned steps);
void actors_wait(uint32_t who);
void actor_abandon(struct actor *actor);
/* Jobs */
void actor_act(struct actor *actor);
void actor_detach(struct actor *actor);
void actor_pass_on(struct actor *actor);
/* Make a thousand calls, as a user of each family in turn. */
void actor_call(struct actor *actor);

/* ---- rounds and bound ------------------------------------------------------------------------ */

void round_run(void);
/*
 * Check all parts of the bound.  Returns the bytes of pools with blocks that are not home, most of
 * which are in pool caches.
 */
size_t bound_check(void);
/* At any time; where several threads are at work nothing is said. */
void bound_check_limit(void);

#endif
