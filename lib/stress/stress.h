/* SPDX-License-Identifier: MIT
 *
 * stress.h - the stress tool behind `arenite stress`, and the model that it checks the allocator
 * against.
 *
 * Workers  A worker is a place for a thread, with a table of items and with heaps.  A thread takes
 *          it, works, and ends while its blocks are live.  Then another thread takes it over.
 * Items    An item is what the tool believes of one block.  It is in one place at a time: in a
 *          worker's table, or in the shared array, by which threads exchange items in one atomic
 *          step.  Only the holder of an item touches it, and all items together are the model of
 *          the whole program.
 * Stops    The main thread closes the gate, and all workers park.  Then the allocator must agree
 *          with the model exactly: a walk visits each live block once, in the right heap, and the
 *          statistics count it.
 *
 * The tool uses the public interface of the library only.
 */
#ifndef ARN_STRESS_H
#define ARN_STRESS_H

#include <pthread.h>

#include "arenite/arenite.h"
#include "base/atomic.h"
#include "base/base.h"

enum { STRESS_WORKERS = 64, STRESS_TABLE = 1500, STRESS_SHARED = 512 };

/* Where a block comes from.  The first four kinds are heaps of the tool's own family, by tag. */
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
	/* counts how often the heaps were abandoned: a block of the present life must be in them */
	uint32_t life;
	bool abandon_late; /* the main thread abandons the heaps when the thread has ended */
	/* the number of the stop at which it is parked, or one of the three values below */
	_Atomic unsigned x_stopped;
	struct stress_item *table[STRESS_TABLE];
};

enum { WORKER_RUNS = 0, WORKER_DEAD = 0x7ffffffe, WORKER_EMPTY = 0x7fffffff };

enum stress_sabotage { SABOTAGE_NONE, SABOTAGE_LOSE, SABOTAGE_DOUBLE, SABOTAGE_CORRUPT };

struct stress {
	unsigned threads, seconds;
	uint64_t seed;
	bool forks, walks, verbose;
	size_t storm; /* --forks: make this many forks, and nothing else */
	enum stress_sabotage sabotage;
	/* the child of a fork in full run, which knows of no block that is older than itself */
	bool partial;

	arn_family *family;
	struct arn_stats base; /* what was there before the tool began */
	struct stress_worker *workers;
	struct stress_item *items;
	size_t item_count;
	_Atomic(struct stress_item *) *x_shared;
	_Atomic unsigned x_gate;  /* odd: it is closed, and workers park */
	_Atomic unsigned x_epoch; /* counts the tool's grace periods */
	_Atomic int x_failures;
	_Atomic bool x_quit;
	size_t stops, walked, lives, forked;
};

extern struct stress stress;

/* stress.c */
/*
 * Run the tool as `stress` says: threads, seconds, seed (0: another one each time), forks, walks,
 * verbose and storm are set before.  Returns the exit status: 0, or 1 if something was wrong.
 */
int stress_all(void);
void stress_nap(long microseconds);

/* storm.c: --forks.  Returns the exit status. */
int stress_storm(void);

/* worker.c, for the main thread */
/*
 * Start a thread for this worker, which makes `ops` operations, or a random number of them if ops
 * is 0.
 */
void stress_worker_start(struct stress_worker *worker, long ops);
/*
 * If the worker's thread has ended, join it and make the worker ready for the next.  false: it has
 * not ended.
 */
bool stress_worker_reap(struct stress_worker *worker);
/* Make a worker whose thread is gone ready for the next.  Its blocks stay in its table. */
void stress_worker_clear(struct stress_worker *worker);
/* Verify the contents of a block, and free it. */
void stress_item_drop(struct stress_item *item);

/* model.c */
/*
 * Count a failure and write a line about it; after 20 lines failures are only counted.  Any thread.
 */
__attribute__((format(printf, 1, 2))) void stress_fail(const char *fmt, ...);
/* The next pseudo-random number of a sequence, whose state is the caller's own. */
uint64_t stress_random(uint64_t *state);
/* Write the item's pattern into its block. */
void stress_fill(struct stress_item *item, uint64_t salt);
/* Is the pattern still there, in the first `limit` bytes?  If not, that is a failure. */
bool stress_verify(const struct stress_item *item, size_t limit);
/* Is this block, which is live and lies in a pool, a sample of the profile in a heap of samples? */
bool stress_is_sample(const void *block);
/* A block of calloc must be zero, all of it. */
void stress_check_zero(const struct stress_item *item);
/*
 * While all workers are parked: compare the allocator with the model, by statistics, and by walks
 * if those were asked for.  all: no worker is taken, so the heaps without an owner have every block
 * of the default family as well.
 */
void stress_check_all(bool all);

#endif
