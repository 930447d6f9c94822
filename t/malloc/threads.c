/* SPDX-License-Identifier: MIT
 *
 * threads - the libc names in threads: many that come and go, blocks that others free, the last
 * destructors of a thread, keys whose values libc allocates, signals, and an exit of the process
 * while threads allocate.
 */
#include "mix.h"
#include "support/tap.h"

#include <arenite/arenite.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum { WORKERS = 4 };

static atomic_ulong wrong;

static void *worker(void *seed)
{
	unsigned random = (unsigned)(uintptr_t)seed * 7919 + 1;

	atomic_fetch_add(&wrong, !mix(&random, tap_scale(30000)));
	return NULL;
}

static void run(void *(*body)(void *))
{
	pthread_t thread[WORKERS];

	for (uintptr_t i = 0; i < WORKERS; i++)
		if (pthread_create(&thread[i], NULL, body, (void *)(i + 1)))
			bail("pthread_create");
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
}

/* ---- threads that come and go -----------------------------------------------------------------
 */

static void *leave_one(void *unused)
{
	(void)unused;
	return memset(malloc(100), 1, 100);
}

/* A thread's blocks outlive it, and its memory serves the next. */
static void come_and_go(void)
{
	long rounds = tap_scale(2000);
	size_t live = 0;

	for (long i = 0; i < rounds; i++) {
		pthread_t thread;
		void *block;

		if (pthread_create(&thread, NULL, leave_one, NULL) || pthread_join(thread, &block))
			bail("pthread_create");
		live += malloc_usable_size(block) >= 100;
		free(block);
	}
	ok(live == (size_t)rounds, "%ld threads that come and go", rounds);
}

static atomic_int detached_left;

static void *detached(void *unused)
{
	free(leave_one(unused));
	atomic_fetch_sub(&detached_left, 1);
	return NULL;
}

static void detach(void)
{
	long n = tap_scale(500);

	for (long i = 0; i < n; i++) {
		pthread_attr_t attributes;
		pthread_t thread;

		pthread_attr_init(&attributes);
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		atomic_fetch_add(&detached_left, 1);
		if (pthread_create(&thread, &attributes, detached, NULL))
			bail("pthread_create");
		pthread_attr_destroy(&attributes);
		while (atomic_load(&detached_left) > 8)
			usleep(100);
	}
	while (atomic_load(&detached_left) > 0)
		usleep(100);
	ok(true, "%ld detached threads, whose stacks libc frees", n);
}

/* It allocates nothing, and never did.  libc frees what belongs to its stack, or to another's, when
 * its last destructors have run. */
static void *idle(void *unused)
{
	usleep(200);
	atomic_fetch_sub(&detached_left, 1);
	return unused;
}

static void start_idle(long n)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	while (n-- > 0) {
		atomic_fetch_add(&detached_left, 1);
		if (pthread_create(&thread, &attributes, idle, NULL))
			bail("pthread_create");
		while (atomic_load(&detached_left) > 30)
			usleep(50);
	}
	pthread_attr_destroy(&attributes);
	while (atomic_load(&detached_left) > 0)
		usleep(100);
	usleep(50000);
}

static size_t records(void)
{
	struct arn_resident resident;

	arn_stats_resident(&resident, sizeof(resident));
	return resident.metadata;
}

static void without_a_trace(void)
{
	const size_t room = 8 * (size_t)sysconf(_SC_PAGESIZE);
	long n = tap_scale(3000);
	size_t before = 0, after = SIZE_MAX;

	/* a machine that is slow has more of them at a time in a later turn; what stays behind of
	 * each thread stays in every turn */
	start_idle(200);
	for (unsigned turn = 0; turn < 5 && after > before + room; turn++) {
		before = records();
		start_idle(n);
		after = records();
	}
	ok(after <= before + room,
	   "%ld detached threads that allocate nothing leave no records: %zu KiB, then %zu", n,
	   before / 1024, after / 1024);
}

/* ---- destructors ------------------------------------------------------------------------------
 */

static pthread_key_t again, keys[100];
static atomic_int rounds_seen;

/* It allocates in each round, and asks for another one as long as libc makes any. */
static void at_end(void *block)
{
	unsigned random = (unsigned)(uintptr_t)block | 1;

	free(block);
	atomic_fetch_add(&wrong, !mix(&random, 50));
	atomic_fetch_add(&rounds_seen, 1);
	pthread_setspecific(again, malloc(200));
}

static void *with_destructor(void *unused)
{
	(void)unused;
	pthread_setspecific(again, malloc(100));
	for (unsigned i = 0; i < 100; i++)
		pthread_setspecific(keys[i], &keys[i]);
	return NULL;
}

static void destructors(void)
{
	pthread_key_create(&again, at_end);
	for (unsigned i = 0; i < 100; i++)
		pthread_key_create(&keys[i], NULL);
	for (unsigned i = 0; i < 20; i++)
		run(with_destructor);
	ok(atomic_load(&rounds_seen) >= 20 * WORKERS * 4,
	   "malloc and free in each round of the destructors of %d threads, with 100 keys",
	   20 * WORKERS);
}

/* ---- signals ----------------------------------------------------------------------------------
 */

static volatile sig_atomic_t signals;

/* It does what a handler may: no malloc. */
static void on_signal(int number)
{
	(void)number;
	signals++;
}

/* They work as long as the storm takes, however slow the machine is. */
static atomic_bool calm;

static void *in_storm(void *seed)
{
	do
		worker(seed);
	while (!atomic_load(&calm));
	return NULL;
}

static void storm(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t thread[WORKERS];

	sigaction(SIGUSR1, &action, NULL);
	for (uintptr_t i = 0; i < WORKERS; i++)
		if (pthread_create(&thread[i], NULL, in_storm, (void *)(i + 1)))
			bail("pthread_create");
	for (long n = tap_scale(2000); n > 0; n--) {
		pthread_kill(thread[n % WORKERS], SIGUSR1);
		usleep(20);
	}
	atomic_store(&calm, true);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	ok(signals > 0 && atomic_load(&wrong) == 0, "a storm of %d signals", (int)signals);
}

/* ---- the end of the process -------------------------------------------------------------------
 */

static void *for_ever(void *seed)
{
	unsigned random = (unsigned)(uintptr_t)seed;

	for (;;)
		atomic_fetch_add(&wrong, !mix(&random, 1000));
	return NULL;
}

static void last_words(void)
{
	unsigned random = 5;

	atomic_fetch_add(&wrong, !mix(&random, 100));
}

static bool exits(void)
{
	int status;
	pid_t child;

	tap_flush();
	child = fork();
	if (child == 0) {
		atexit(last_words);
		for (uintptr_t i = 0; i < WORKERS; i++) {
			pthread_t thread;

			if (pthread_create(&thread, NULL, for_ever, (void *)(i + 1)))
				_exit(9);
		}
		usleep(2000);
		exit(7);
	}
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static void ends(void)
{
	long n = tap_scale(50), right = 0;

	for (long i = 0; i < n; i++)
		right += exits();
	ok(right == n, "exit while threads allocate: %ld of %ld", right, n);
}

int main(void)
{
	run(worker);
	ok(atomic_load(&wrong) == 0, "threads that exchange blocks");
	come_and_go();
	detach();
	without_a_trace();
	destructors();
	storm();
	ends();
	for (unsigned i = 0; i < SLOTS; i++)
		free(atomic_exchange(&x_slot[i], NULL));
	ok(atomic_load(&wrong) == 0, "no block was wrong");
	return done();
}
