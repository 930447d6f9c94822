/* SPDX-License-Identifier: MIT
 *
 * rounds - threads that hand blocks to each other, 200 rounds: does anything grow?  Each round
 * starts where the last one did, so whatever is resident after a round, beside what is live, is the
 * allocator's own doing.
 *
 *     executor    4 workers that live on build 4000 blocks each, the main thread frees them all
 *                 (R4)
 *     short       threads that allocate, leave one live block and end, 500 a round; the blocks of a
 *                 round are freed two rounds later (R6)
 *     fork        three threads allocate all the time while the main thread forks; a child
 *                 allocates, frees, and tells what it holds (R13)
 */
#include "memory.h"

#include <sys/wait.h>

enum { ROUNDS = 200, WORKERS = 4, BUILT = 4000, SHORT = 500 };

static size_t rss_before, space_before;

static void begin(void)
{
	rss_before = resident();
	space_before = address_space();
}

static struct series rss, space, took;

static void end_round(double started)
{
	series_add(&took, bench_clock(CLOCK_PROCESS_CPUTIME_ID) - started);
	series_add(&rss, above(resident(), rss_before));
	series_add(&space, above(address_space(), space_before));
}

/* Rises from the end of the warm-up to the last round. */
static void report(void)
{
	double mean = series_mean(&took);

	metric("rss", series_max(&rss));
	metric("rss_rise", series_rise(&rss));
	metric("space", series_max(&space));
	metric("space_rise", series_rise(&space));
	metric("round", mean);
	metric("round_rise", 100 * series_rise(&took) / mean);
}

/* ---- workers build, the main thread frees ---------------------------------------------------- */

static pthread_barrier_t meet;
static void *built[WORKERS][BUILT];
static atomic_bool over;

static void *build(void *arg)
{
	void **mine = arg;

	for (;;) {
		pthread_barrier_wait(&meet);
		if (atomic_load(&over))
			return NULL;
		for (size_t i = 0; i < BUILT; i++)
			mine[i] = bench_take(
				i % 8 ? 64 : 576); /* as a bytearray(64) and now and then a list */
		pthread_barrier_wait(&meet);
	}
}

static void executor(double scale)
{
	pthread_t thread[WORKERS];

	pthread_barrier_init(&meet, NULL, WORKERS + 1);
	memset(built, 0, sizeof built);
	for (size_t i = 0; i < WORKERS; i++)
		start_thread(&thread[i], build, built[i]);
	begin();
	for (size_t round = scaled(ROUNDS, scale); round > 0; round--) {
		double started = bench_clock(CLOCK_PROCESS_CPUTIME_ID);

		pthread_barrier_wait(&meet);
		pthread_barrier_wait(&meet);
		for (size_t i = 0; i < WORKERS * BUILT; i++)
			bench_free(built[i / BUILT][i % BUILT]);
		end_round(started);
	}
	atomic_store(&over, true);
	pthread_barrier_wait(&meet);
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	metric("live", (double)WORKERS * BUILT * (64 * 7 + 576) / 8);
	report();
}

/* ---- short threads --------------------------------------------------------------------------- */

static void *left[3][SHORT];

/* Some of many sizes, dropped in the order in which they were made, but for one. */
static void *live_shortly(void *arg)
{
	void **leave = arg, *block[60];

	for (size_t i = 0; i < 60; i++)
		block[i] = bench_take(16 + i * 24);
	*leave = block[30];
	for (size_t i = 0; i < 60; i++)
		if (i != 30)
			bench_free(block[i]);
	return NULL;
}

static void run_threads(void **leave)
{
	pthread_t thread[4];

	for (size_t i = 0; i < SHORT; i += 4) {
		for (size_t k = 0; k < 4; k++)
			start_thread(&thread[k], live_shortly, &leave[i + k]);
		for (size_t k = 0; k < 4; k++)
			pthread_join(thread[k], NULL);
	}
}

static void short_threads(double scale)
{
	memset(left, 0, sizeof left);
	begin();
	for (size_t round = 0, rounds = scaled(ROUNDS, scale); round < rounds; round++) {
		double started = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
		void **leave = left[round % 3];

		for (size_t i = 0; i < SHORT && round >= 3; i++)
			bench_free(leave[i]);
		run_threads(leave);
		end_round(started);
	}
	metric("live", 3.0 * SHORT * (16 + 30 * 24));
	report();
}

/* The same, and everything that a thread left stays: what does a thread cost for ever? */
static void left_threads(double scale)
{
	size_t rounds = scaled(ROUNDS, scale);
	void **leave = table(rounds * SHORT * sizeof *leave);

	begin();
	for (size_t round = 0; round < rounds; round++)
		run_threads(leave + round * SHORT);
	metric("rss_block", above(resident(), rss_before) / (double)(rounds * SHORT));
	metric("space_block", above(address_space(), space_before) / (double)(rounds * SHORT));
}

/* ---- forks ----------------------------------------------------------------------------------- */

static void *allocate_all_the_time(void *arg)
{
	uint64_t rng = (uint64_t)(uintptr_t)arg * 88172645463325252u | 1;
	static __thread void *slot[1000];

	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		void **at = &slot[bench_random(&rng) % 1000];

		if (*at)
			bench_free(*at);
		*at = bench_take(16 + bench_random(&rng) % 2000);
	}
	for (size_t i = 0; i < 1000; i++)
		if (slot[i])
			bench_free(slot[i]);
	return NULL;
}

/* Two sizes that its parent's threads use, then what is resident in the child. */
static int child(int fd)
{
	static void *slot[2000];
	double holds;

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 2000; i++)
			slot[i] = bench_take(i % 2 ? 100 : 1000);
		for (size_t i = 0; i < 2000; i++)
			bench_free(slot[i]);
	}
	holds = (double)resident();
	return write(fd, &holds, sizeof holds) == sizeof holds ? 0 : 1;
}

static double fork_once(void)
{
	double holds = 0;
	int fd[2], status;
	pid_t pid;

	if (pipe(fd))
		bench_die("pipe", "no pipe");
	pid = fork();
	if (pid < 0)
		bench_die("fork", "no process");
	if (pid == 0)
		_exit(child(fd[1]));
	close(fd[1]);
	if (read(fd[0], &holds, sizeof holds) != sizeof holds || waitpid(pid, &status, 0) != pid ||
	    status != 0)
		bench_die("fork", "a child failed");
	close(fd[0]);
	return holds;
}

static void fork_storm(double scale)
{
	struct series child_rss = { .n = 0 };
	pthread_t thread[3];

	begin();
	for (size_t i = 0; i < 3; i++)
		start_thread(&thread[i], allocate_all_the_time, (void *)(uintptr_t)(i + 1));
	for (size_t round = scaled(ROUNDS, scale); round > 0; round--) {
		double started = bench_clock(CLOCK_PROCESS_CPUTIME_ID);

		series_add(&child_rss, fork_once());
		end_round(started);
	}
	atomic_store(&over, true);
	for (size_t i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	metric("child_rss", series_max(&child_rss));
	metric("child_rise", series_rise(&child_rss));
	report();
}

static const struct memory_case cases[] = {
	{ "executor", executor },
	{ "short", short_threads },
	{ "left", left_threads },
	{ "fork", fork_storm },
};

MEMORY_MAIN(cases)
