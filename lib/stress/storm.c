/* SPDX-License-Identifier: MIT
 *
 * storm.c - `arenite stress --forks N`: fork after fork from a process whose other threads
 * allocate, free, start and end all the time.
 *
 * Each child frees what it inherits, allocates, starts threads of its own and leaves.  A child that
 * has not left within a minute is ended by its alarm and counts as a failure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress/stress.h"

enum {
	BOXES = 128,
	HELD = 24,
	CHILD_SECONDS = 60,
	CHILD_THREADS = 2,
	CHILD_ROUNDS = 16,
	TURN = 4000
};

struct storm_thread {
	pthread_t thread;
	uint64_t random;
	size_t ops;
	long rounds; /* 0: until x_stop is set */
};

/*
 * Blocks that any thread may take out and free.  The first word of a block is its size; the second
 * and the last one depend on its address and size, so that foreign contents are noticed.
 */
static _Atomic(uint64_t *) x_boxes[BOXES];
static _Atomic bool x_stop;
static _Atomic size_t x_ops;

/*
 * Mostly sizes of ordinary objects, a few that soon fill a pool, and now and then one that needs a
 * pool of its own.
 */
static size_t storm_size(uint64_t r)
{
	size_t n = (size_t)(r >> 24);

	if (r % 256 == 0)
		return 32 + n % (256 * KIB);
	return 32 + (r % 16 == 0 ? n % (16 * KIB) : n % 600);
}

static uint64_t storm_stamp(const uint64_t *block, uint64_t size)
{
	return ((uintptr_t)block ^ size) * 0x9e3779b97f4a7c15u;
}

static uint64_t *storm_make(uint64_t r)
{
	size_t size = storm_size(r) & ~(size_t)7;
	uint64_t *block = r >> 60 & 1 ? arn_mem_malloc(size) : arn_obj_malloc(size);

	if (!block) {
		stress_fail("storm: no memory for %zu bytes", size);
		return NULL;
	}
	block[0] = size;
	block[1] = block[size / 8 - 1] = storm_stamp(block, size);
	if (stress.sabotage == SABOTAGE_CORRUPT && r % 4096 == 7) /* for tests of the tool itself */
		block[1] ^= 1;
	return block;
}

/*
 * Check and free a block, or NULL.  A block with foreign contents is not freed, since its size may
 * be wrong.
 */
static void storm_drop(uint64_t *block)
{
	if (!block)
		return;
	if (block[1] != storm_stamp(block, block[0]) || block[block[0] / 8 - 1] != block[1])
		stress_fail("storm: foreign content in block %p", (void *)block);
	else
		arn_free(block);
}

/*
 * Make some blocks.  Free three quarters of them here, and exchange the others for what other
 * threads have left in the boxes, which is freed.
 */
static void storm_round(struct storm_thread *self)
{
	uint64_t *held[HELD], r = stress_random(&self->random);

	for (unsigned i = 0; i < HELD; i++)
		held[i] = storm_make(stress_random(&self->random));
	for (unsigned i = 0; i < HELD; i++)
		storm_drop(i % 4 ? held[i] : exchange_acq_rel(&x_boxes[(r + i) % BOXES], held[i]));
	self->ops += 2 * HELD;
}

static void *storm_short_life(void *arg)
{
	storm_round(arg);
	return NULL;
}

/* A thread that starts, adopts a heap that another has left, and ends. */
static void storm_thread_in_turn(struct storm_thread *self)
{
	struct storm_thread other = { .random = stress_random(&self->random) };

	if (pthread_create(&other.thread, NULL, storm_short_life, &other) == 0)
		pthread_join(other.thread, NULL);
}

static void *storm_live(void *arg)
{
	struct storm_thread *self = arg;
	long left = self->rounds;

	while (self->rounds ? left-- > 0 : !load_relaxed(&x_stop)) {
		storm_round(self);
		if (self->rounds == 0 && self->ops % TURN < 2 * HELD)
			storm_thread_in_turn(self);
	}
	add_relaxed(&x_ops, self->ops);
	return NULL;
}

static void storm_start(struct storm_thread *threads, unsigned n, long rounds, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++) {
		threads[i] = (struct storm_thread){ .random = seed + i * 7919u, .rounds = rounds };
		if (pthread_create(&threads[i].thread, NULL, storm_live, &threads[i])) {
			stress_fail("storm: cannot start a thread");
			_exit(1);
		}
	}
}

static void storm_join(struct storm_thread *threads, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i].thread, NULL);
}

static void storm_empty_boxes(void)
{
	for (unsigned i = 0; i < BOXES; i++)
		storm_drop(exchange_acq_rel(&x_boxes[i], NULL));
}

/*
 * The child: the other threads were caught anywhere, also in the middle of malloc, and all that it
 * does here must work all the same.
 */
static _Noreturn void storm_child(uint64_t seed)
{
	struct storm_thread self = { .random = seed };

	alarm(CHILD_SECONDS);
	storm_empty_boxes();
	for (unsigned i = 0; i < 4; i++)
		storm_round(&self);
#ifndef ARN_TSAN /* it does not bear threads in the child of a threaded fork */
	struct storm_thread threads[CHILD_THREADS];

	storm_start(threads, CHILD_THREADS, CHILD_ROUNDS, seed + 1);
	storm_round(&self);
	storm_join(threads, CHILD_THREADS);
#endif
	storm_empty_boxes();
	if (seed % 16 == 0)
		arn_trim();
	_exit(load_relaxed(&stress.x_failures) != 0);
}

static void storm_fork(size_t number)
{
	int status = 0xff00;
	pid_t child = fork();

	if (child == 0)
		storm_child(stress.seed + number);
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		stress_fail("storm: fork %zu: the child %s %d", number,
		            WIFSIGNALED(status) ? "got signal" : "exited",
		            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	stress.forked++;
}

static double seconds_of_day(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

int stress_storm(void)
{
	static struct storm_thread threads[STRESS_WORKERS];
	double start = seconds_of_day();
	bool failed;

	storm_start(threads, stress.threads, 0, stress.seed);
	while (stress.forked < stress.storm && !load_relaxed(&stress.x_failures)) {
		storm_fork(stress.forked);
		if (stress.verbose && stress.forked % 1000 == 0)
			dprintf(2, "# %zu forks, %.0f s\n", stress.forked,
			        seconds_of_day() - start);
	}
	store_relaxed(&x_stop, true);
	storm_join(threads, stress.threads);
	storm_empty_boxes();
	failed = load_relaxed(&stress.x_failures) != 0;
	printf("arenite stress: %s: seed %llu, %zu forks in %.1f s beside %u threads of %zu "
	       "operations\n",
	       failed ? "FAILED" : "ok", (unsigned long long)stress.seed, stress.forked,
	       seconds_of_day() - start, stress.threads, load_relaxed(&x_ops));
	return failed;
}
