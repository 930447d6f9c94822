/* SPDX-License-Identifier: MIT
 *
 * stress.h - the stress tool behind `arenite stress`, and the model that it checks the allocator
 * against.
 *
 * Workers  A thread takes a worker, works, ends with its blocks alive, and another thread takes the
 *          worker over.
 * Items    The model: what the tool believes of one block.  Each item is in one place at a time: in
 *          a worker's table or in the shared array, where threads exchange items by one atomic
 *          step.  So the items together are the model of the whole program, and only the holder of
 *          an item touches it.
 * Stops    The main thread closes the gate, all workers park, and then the allocator must agree
 *          with the model exactly: each live block visited once, in the right heap, and counted in
 *          the statistics.
 *
 * Uses the public interface of the library only.
 */
#ifndef ARN_STRESS_H
#define ARN_STRESS_H

#include <pthread.h>

#include "arenite/arenite.h"
#include "base/atomic.h"
#include "base/base.h"

enum { STRESS_WORKERS = 64, STRESS_TABLE = 1500, STRESS_SHARED = 512 };

/* Where a block comes from.  The first four are the tool's own family, by tag. */
enum stress_kind {
	KIND_HEAP,           /* + tag: a handle of the worker, arn_heap_init */
	KIND_NEW = ARN_TAGS, /* the worker's handle of the default family, arn_heap_new */
	KIND_MEM,
	KIND_OBJ,
	KIND_RAW, /* the domains */
	KINDS
};

struct stress_item {
	char *block; /* NULL: nothing allocated */
	size_t size;
	uint64_t cookie; /* seed of the pattern in the block */
	uint32_t life;   /* of the worker when it allocated: see stress_worker.life */
	uint16_t worker;
	uint8_t kind, tag;
	bool seen; /* by the walk that is under way */
};

struct stress_worker {
	pthread_t thread;
	unsigned index, generation;
	uint64_t random;
	long ops, ops_left;
	arn_heap heap[ARN_TAGS];
	arn_heap *extra; /* KIND_NEW */
	unsigned extra_tag;
	/* counts abandons: a block of this life must stand in this worker's heaps */
	uint32_t life;
	bool abandon_late; /* the main thread abandons after the thread's death */
	/* number of the stop at which it parked, or WORKER_DEAD, WORKER_EMPTY */
	_Atomic unsigned x_stopped;
	struct stress_item *table[STRESS_TABLE];
};

enum { WORKER_RUNS = 0, WORKER_DEAD = 0x7ffffffe, WORKER_EMPTY = 0x7fffffff };

enum stress_sabotage { SABOTAGE_NONE, SABOTAGE_LOSE, SABOTAGE_DOUBLE, SABOTAGE_CORRUPT };

struct stress {
	unsigned threads, seconds;
	uint64_t seed;
	bool forks, walks, verbose;
	size_t storm; /* so many forks, and nothing else */
	enum stress_sabotage sabotage;
	/* a child of a fork in full run: knows of no block that is older than itself */
	bool partial;

	arn_family *family;
	struct arn_stats base; /* what lived before the tool began */
	struct stress_worker *workers;
	struct stress_item *items;
	size_t item_count;
	_Atomic(struct stress_item *) *x_shared;
	_Atomic unsigned x_gate;  /* odd: closed, park */
	_Atomic unsigned x_epoch; /* the tool's grace periods */
	_Atomic int x_failures;
	_Atomic bool x_quit;
	size_t stops, walked, lives, forked;
};

extern struct stress stress;

int stress_main(int argc, char **argv);

/* stress.c */
void stress_nap(long microseconds);

/* stress-storm.c; the exit status */
int stress_storm(void);

/* stress-worker.c.  ops 0: a random number of operations.  reap: true if a dead thread was
 * joined. */
void stress_worker_start(struct stress_worker *worker, long ops);
bool stress_worker_reap(struct stress_worker *worker);
void stress_worker_clear(struct stress_worker *worker);
void stress_item_drop(struct stress_item *item);

/* stress-model.c */
__attribute__((format(printf, 1, 2))) void stress_fail(const char *fmt, ...);
uint64_t stress_random(uint64_t *state);
void stress_fill(struct stress_item *item, uint64_t salt);
bool stress_verify(const struct stress_item *item, size_t limit);
void stress_check_zero(const struct stress_item *item);
/* While everybody is parked: statistics, and walks if asked for.  all: no worker is taken, so that
 * the heaps without an owner hold every block of the default family too. */
void stress_check_all(bool all);

#endif
