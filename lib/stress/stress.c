/* SPDX-License-Identifier: MIT
 *
 * stress.c - the stress tool: its main thread with the stops and the forks.  stress.h explains the
 * terms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress/stress.h"

struct stress stress = { .threads = 4, .seconds = 5 };

void stress_nap(long microseconds)
{
	struct timespec ts = { .tv_nsec = microseconds * 1000 };

	nanosleep(&ts, NULL);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* ---- grace periods --------------------------------------------------------------------------- */

/*
 * The tool is a provider for its own family.  A grace period passes at each stop, because no thread
 * is in the middle of anything then.
 */
static uint64_t grace_goal(size_t bytes)
{
	(void)bytes;
	return load_acquire(&stress.x_epoch) + 1;
}

static bool grace_reached(uint64_t goal)
{
	return load_acquire(&stress.x_epoch) >= goal;
}

static const struct arn_provider provider = { .goal = grace_goal, .reached = grace_reached };

/* ---- the main thread ------------------------------------------------------------------------- */

/* Deal the items out to the workers and the shared array. */
static void items_deal(void)
{
	struct stress_item *item = stress.items;

	for (unsigned s = 0; s < stress.threads; s++)
		for (unsigned i = 0; i < STRESS_TABLE; i++)
			stress.workers[s].table[i] = item++;
	for (unsigned i = 0; i < STRESS_SHARED; i++)
		store_relaxed(&stress.x_shared[i], item++);
}

/* Make all workers empty, with handles that have no heap yet. */
static void bind_workers(void)
{
	for (unsigned s = 0; s < stress.threads; s++) {
		struct stress_worker *worker = &stress.workers[s];

		worker->index = s;
		worker->extra_tag = s % ARN_TAGS;
		worker->extra = NULL;
		store_relaxed(&worker->x_stopped, WORKER_EMPTY);
		for (unsigned tag = 0; tag < ARN_TAGS; tag++)
			arn_heap_init(&worker->heap[tag], stress.family, tag);
	}
}

/* Zeroed memory for the model, which must not come from the allocator that is under test. */
static void *pages(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		perror("arenite stress: mmap");
		exit(1);
	}
	return at;
}

static void stress_set_up(void)
{
	arn_stats_read(&stress.base, sizeof(stress.base));
	stress.item_count = stress.threads * STRESS_TABLE + STRESS_SHARED;
	stress.items = pages(stress.item_count * sizeof *stress.items);
	stress.workers = pages(stress.threads * sizeof *stress.workers);
	stress.x_shared = pages(STRESS_SHARED * sizeof *stress.x_shared);
	stress.family = arn_family_new(&provider);
	items_deal();
	bind_workers();
}

/*
 * Close the gate and wait until each worker is parked at it or empty.  A thread that ends meanwhile
 * is joined here.  When all are still, one grace period has passed.
 */
static void stop(void)
{
	unsigned gate = load_relaxed(&stress.x_gate) + 1;

	store_release(&stress.x_gate, gate);
	for (unsigned i = 0; i < stress.threads; i++) {
		struct stress_worker *worker = &stress.workers[i];
		unsigned is;

		while ((is = load_acquire(&worker->x_stopped)) != gate && is != WORKER_EMPTY)
			if (!stress_worker_reap(worker))
				stress_nap(50);
	}
	store_release(&stress.x_epoch, load_relaxed(&stress.x_epoch) + 1);
	stress.stops++;
}

static void go(void)
{
	store_release(&stress.x_gate, load_relaxed(&stress.x_gate) + 1);
}

/* Give each of the first workers a thread, unless it has one that runs. */
static void start_idle_workers(unsigned workers, long ops)
{
	for (unsigned i = 0; i < workers; i++) {
		stress_worker_reap(&stress.workers[i]);
		if (load_relaxed(&stress.workers[i].x_stopped) == WORKER_EMPTY)
			stress_worker_start(&stress.workers[i], ops);
	}
}

/* Wait until the threads of all workers have ended, and join them. */
static void wait_for_all(void)
{
	for (unsigned i = 0; i < stress.threads; i++)
		while (load_acquire(&stress.workers[i].x_stopped) != WORKER_EMPTY)
			if (!stress_worker_reap(&stress.workers[i]))
				stress_nap(100);
}

static void drop_all(void)
{
	for (size_t i = 0; i < stress.item_count; i++)
		if (stress.items[i].block)
			stress_item_drop(&stress.items[i]);
}

/* ---- forks ----------------------------------------------------------------------------------- */

/* What a child does at last: work with two threads, check, free everything, and check again. */
static _Noreturn void child_works(void)
{
	start_idle_workers(stress.threads < 2 ? stress.threads : 2, 3000);
	wait_for_all();
	stress_check_all(true);
	drop_all();
	stress_check_all(true);
	_exit(load_relaxed(&stress.x_failures) != 0);
}

/*
 * The child of a fork at a stop.  All threads were parked, so it inherits a model that is true, and
 * the heaps of threads that are gone: their workers are cleared, everything is checked and freed,
 * and then it works on.
 */
static _Noreturn void child_of_stop(void)
{
	for (unsigned i = 0; i < stress.threads; i++) {
		struct stress_worker *worker = &stress.workers[i];

		if (load_relaxed(&worker->x_stopped) != WORKER_EMPTY) {
			worker->abandon_late = true;
			stress_worker_clear(worker);
		}
	}
	stress_check_all(true);
	drop_all();
	stress_check_all(true);
	store_relaxed(&stress.x_gate, 0);
	child_works();
}

/*
 * The child of a fork in full run.  The other threads were caught anywhere, also in the middle of
 * malloc, so their items mean nothing any more.  The child begins anew, with a family of its own,
 * beside what they have left.
 */
static _Noreturn void child_of_run(void)
{
	stress.partial = true;
	memset(stress.items, 0, stress.item_count * sizeof *stress.items);
	stress.family = arn_family_new(&provider);
	items_deal();
	bind_workers();
	child_works();
}

/*
 * Fork and wait for the child.  A child that hangs is ended by its alarm after a minute, and counts
 * as a failure like one that finds a fault.
 */
static void fork_child(void (*work)(void), const char *what)
{
	int status = 0xff00;
	pid_t child = fork();

	if (child == 0) {
		alarm(60);
		work();
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		stress_fail("%s: the child %s %d", what,
		            WIFSIGNALED(status) ? "got signal" : "exited",
		            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	stress.forked++;
}

/* ---- run ------------------------------------------------------------------------------------- */

/* A stop: check everything, and now and then fork or trim while all workers are still. */
static void one_stop(void)
{
	stop();
	stress_check_all(false);
	if (stress.forks && stress.stops % 4 == 0)
		fork_child(child_of_stop, "fork at a stop");
	if (stress.stops % 3 == 0)
		arn_trim();
	if (stress.verbose)
		dprintf(2, "# stop %zu: %zu lives, %zu blocks visited\n", stress.stops,
		        stress.lives, stress.walked);
	go();
}

/*
 * The run: keep all workers busy, and stop, fork and trim at intervals of their own, so that they
 * meet in all ways.  At the end all threads leave, and what they have left is checked twice: as it
 * is, and when every block is freed.
 */
static void stress_run(void)
{
	double end = now() + stress.seconds;
	struct arn_stats beside;

	for (unsigned tick = 1; now() < end && !load_relaxed(&stress.x_failures); tick++) {
		start_idle_workers(stress.threads, 0);
		stress_nap(2000);
		arn_stats_read(&beside, sizeof(beside));
		if (tick % 40 == 0)
			one_stop();
		if (tick % 60 == 1 && stress.forks)
			fork_child(child_of_run, "fork in full run");
		if (tick % 50 == 0)
			arn_trim();
	}
	stop();
	stress_check_all(false);
	store_relaxed(&stress.x_quit, true);
	go();
	wait_for_all();
	stress_check_all(true);
	drop_all();
	stress_check_all(true);
}

/*
 * The last line.  It has the seed, with which a run can be repeated as far as the threads' timing
 * allows.
 */
static int summary(void)
{
	bool failed = load_relaxed(&stress.x_failures) != 0;
	long ops = 0;

	for (unsigned i = 0; i < stress.threads; i++)
		ops += stress.workers[i].ops;
	printf("arenite stress: %s: seed %llu, %u threads, %zu lives, %ld operations, %zu stops, "
	       "%zu blocks visited, %zu forks\n",
	       failed ? "FAILED" : "ok", (unsigned long long)stress.seed, stress.threads,
	       stress.lives, ops, stress.stops, stress.walked, stress.forked);
	return failed;
}

/* A test of the tool itself may ask for a fault that the tool must find. */
static void read_sabotage(void)
{
	static const char *const names[] = { "", "lose", "double", "corrupt" };
	const char *name = getenv("ARN_STRESS_SABOTAGE");

	for (unsigned i = 1; name && i < array_length(names); i++)
		if (!strcmp(name, names[i]))
			stress.sabotage = i;
}

int stress_all(void)
{
	if (!stress.seed)
		stress.seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 20;
#ifdef ARN_TSAN
	stress.forks =
		false; /* ThreadSanitizer does not bear threads in the child of a threaded fork */
#endif
	read_sabotage();
	if (stress.storm)
		return stress_storm();
	stress_set_up();
	if (!stress.family) {
		fprintf(stderr, "arenite stress: no memory\n");
		return 1;
	}
	stress_run();
	return summary();
}
