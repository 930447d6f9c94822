/* SPDX-License-Identifier: MIT */
#include "support/yield.h"

#include "base/atomic.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static _Atomic unsigned x_one_in;
static _Atomic uint64_t x_seed;
static _Atomic(yield_fn *) x_hook;
static _Atomic bool x_stands, x_go_on;

void yield_start(uint64_t seed, unsigned one_in)
{
	store_relaxed(&x_seed, seed);
	store_relaxed(&x_one_in, one_in);
}

void yield_hook(yield_fn *hook)
{
	store_release(&x_hook, hook);
}

void yield_arm(yield_fn *hook)
{
	store_release(&x_stands, false);
	store_release(&x_go_on, false);
	yield_hook(hook);
}

void yield_stand(void)
{
	store_release(&x_stands, true);
	while (!load_acquire(&x_go_on))
		sched_yield();
}

bool yield_stands(void)
{
	return load_acquire(&x_stands);
}

void yield_go_on(void)
{
	store_release(&x_go_on, true);
}

/* The thread that is to stand still: where it does so, and what it runs. */
static const char *stop_at;
static void *(*stopped_run)(void *arg);
static __thread bool is_stopped;

static void stop_there(const char *where)
{
	if (is_stopped && !yield_stands() && strcmp(where, stop_at) == 0)
		yield_stand();
}

static void *run_and_stop(void *arg)
{
	is_stopped = true;
	return stopped_run(arg);
}

pthread_t yield_stop(const char *where, void *(*run)(void *arg), void *arg)
{
	pthread_t thread;

	stop_at = where;
	stopped_run = run;
	yield_arm(stop_there);
	if (pthread_create(&thread, NULL, run_and_stop, arg) != 0)
		abort();
	while (!yield_stands())
		sched_yield();
	return thread;
}

void yield_resume(pthread_t thread)
{
	yield_go_on();
	pthread_join(thread, NULL);
	yield_hook(NULL);
}

/* A random number.  Each thread has a sequence of its own. */
static uint64_t random_word(void)
{
	static __thread uint64_t state;

	if (state == 0)
		state = (add_relaxed(&x_seed, 1) + 1) * 0x9e3779b97f4a7c15u | 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 8;
}

/*
 * Mostly the thread only yields, and some other runs.  Now and then it sleeps so long that all
 * others run, several times over.
 */
static void pause_thread(void)
{
	struct timespec moment = { 0, 1000 + (long)(random_word() % 60000) };

	if (random_word() % 4 != 0)
		sched_yield();
	else
		nanosleep(&moment, NULL);
}

void arn_yield_point(const char *where)
{
	yield_fn *hook = load_acquire(&x_hook);
	unsigned one_in = load_relaxed(&x_one_in);

	if (hook)
		hook(where);
	else if (one_in != 0 && random_word() % one_in == 0)
		pause_thread();
}
