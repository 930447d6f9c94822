/* SPDX-License-Identifier: MIT
 *
 * core.h - what the tests of the library's inside share.  They link t/support/libtestcore.la, which
 * is the library with yield points, injected failures and all of its own checks.  The macros here
 * make the headers agree with it.
 *
 * expect(c)       from any thread: counts; the main thread says `no_errors("what")` once, which is
 *                 one ok()
 * threads(n, f)   f(0) to f(n - 1), each in a thread of its own; barrier() meets all of them
 * status_of_child runs a function in a child
 * rng_below       random numbers from ARN_TEST_SEED, one sequence for each number that rng_start
 *                 was given
 */
#ifndef ARN_T_CORE_H
#define ARN_T_CORE_H

#ifndef ARN_FAULT_INJECTION
#define ARN_FAULT_INJECTION 1
#endif
#ifndef ARN_YIELD_POINTS
#define ARN_YIELD_POINTS 1
#endif
#ifndef ARN_DEBUG
#define ARN_DEBUG 3
#endif

#include "base/atomic.h"
#include "base/base.h"
#include "support/tap.h"
#include "support/yield.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 8

static _Atomic size_t core_errors;
static _Atomic(const char *) core_first;
static _Atomic int core_line;

__attribute__((unused)) static void core_error(const char *what, int line)
{
	if (add_relaxed(&core_errors, 1) != 0)
		return;
	store_relaxed(&core_line, line);
	store_release(&core_first, what);
}

#define expect(condition) ((condition) ? (void)0 : core_error(#condition, __LINE__))

__attribute__((unused)) static bool core_clean(void)
{
	size_t errors = atomic_exchange(&core_errors, 0);

	if (errors)
		note("%zu times not: %s, the first in line %d", errors, load_acquire(&core_first),
		     load_relaxed(&core_line));
	return errors == 0;
}

#define no_errors(...) ok(core_clean(), __VA_ARGS__)

struct rng {
	uint64_t state;
};

__attribute__((unused)) static struct rng rng_start(uint64_t stream)
{
	return (struct rng){ ((tap_seed() + stream) * 0x9e3779b97f4a7c15u) | 1 };
}

__attribute__((unused)) static uint64_t rng_next(struct rng *rng)
{
	rng->state ^= rng->state << 13;
	rng->state ^= rng->state >> 7;
	rng->state ^= rng->state << 17;
	return rng->state * 0x2545f4914f6cdd1du >> 16;
}

__attribute__((unused)) static size_t rng_below(struct rng *rng, size_t n)
{
	return rng_next(rng) % n;
}

static pthread_barrier_t core_barrier;

__attribute__((unused)) static void barrier(void)
{
	pthread_barrier_wait(&core_barrier);
}

struct core_thread {
	pthread_t thread;
	unsigned self;
	void (*body)(unsigned self);
};

static void *core_run(void *arg)
{
	struct core_thread *thread = arg;

	barrier();
	thread->body(thread->self);
	return NULL;
}

__attribute__((unused)) static void threads(unsigned n, void (*body)(unsigned self))
{
	struct core_thread thread[THREADS_MAX];

	tap_seed();
	pthread_barrier_init(&core_barrier, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		thread[i].self = i;
		thread[i].body = body;
		if (pthread_create(&thread[i].thread, NULL, core_run, &thread[i]))
			bail("pthread_create");
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i].thread, NULL);
	pthread_barrier_destroy(&core_barrier);
}

/* The status that a child ends with which runs this and exits with what it returns, as waitpid
 * gives it; -1: there was no child. */
__attribute__((unused)) static int status_of_child(int (*run)(void))
{
	int status = -1;
	pid_t child;

	tap_flush();
	child = fork();
	if (child == 0)
		_exit(run());
	waitpid(child, &status, 0);
	return status;
}

#endif
