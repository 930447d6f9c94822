/* SPDX-License-Identifier: MIT
 *
 * price - programs that make and drop memory lap after lap, and what giving it back costs them.
 * t/memory/price.py has the same in Python.  Every byte of a block is written, as programs do.
 */
#include "price.h"

static void see_what_stays(void)
{
	metric("rss_once", (double)resident());
	let_some_thread_work();
	metric("rss_second", (double)resident());
}

static void laps(int n, double scale, void (*work)(double scale))
{
	for (int i = 0; i < n; i++) {
		struct spent since = spent_now();

		work(scale);
		print_lap(since);
	}
	see_what_stays();
}

static void together(size_t n, void *(*run)(void *), void *arg)
{
	pthread_t thread[300];

	for (size_t i = 0; i < n; i++)
		start_thread(&thread[i], run, arg);
	for (size_t i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

/* ---- one temporary a step */

static size_t temporary;

static void *run_steps(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++)
		bench_free(take(temporary));
	return NULL;
}

static void steps_of_one(double scale)
{
	(void)scale;
	run_steps(NULL);
}

static void steps_of_four(double scale)
{
	(void)scale;
	together(4, run_steps, NULL);
}

static void run_temporary(double scale, size_t mib, bool four)
{
	temporary = mib * MIB;
	laps((int)scaled(10, scale), scale, four ? steps_of_four : steps_of_one);
}

#define TEMPORARY(mib)                                 \
	static void temporary_##mib(double scale)      \
	{                                              \
		run_temporary(scale, mib, false);      \
	}                                              \
	static void temporary_##mib##_x4(double scale) \
	{                                              \
		run_temporary(scale, mib, true);       \
	}
TEMPORARY(1)
TEMPORARY(3)
TEMPORARY(5)
TEMPORARY(20)
TEMPORARY(60)

/* ---- lists, instances, phases */

static void make_strings(double scale)
{
	make_and_drop(scaled(500000, scale), 60);
}

static void strings(double scale)
{
	laps(12, scale, make_strings);
}

static void make_items(double scale)
{
	size_t n = scaled(200000, scale);

	for (size_t i = 0; i < n; i++) {
		block[2 * i] = take(48);
		block[2 * i + 1] = take(160);
	}
	drop(block, 2 * n);
}

static void instances(double scale)
{
	laps(12, scale, make_items);
}

static void strings_and_words(double scale)
{
	make_strings(scale);
	make_and_drop(scaled(480000, scale), 44);
}

static void phase_lists(double scale)
{
	for (int i = 0; i < 3; i++)
		make_items(scale);
	laps(12, scale, strings_and_words);
}

static void kinds(double scale)
{
	static const size_t size[] = { 40, 200, 64, 1000, 32, 50000, 500, 3000, 120, 1000000 };

	for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
		struct spent since = spent_now();

		for (int again = 0; again < 2; again++)
			make_and_drop(scaled(30 * (size_t)MIB / size[i], scale), size[i]);
		print_lap(since);
	}
	see_what_stays();
}

/* ---- many threads */

struct crowd {
	int rounds;
	pthread_barrier_t *all;
};

/* What a thread of a server does: some hundred blocks of all sizes, of which the last hundred are
 * alive. */
static void *be_busy(void *arg)
{
	const struct crowd *crowd = arg;
	uint64_t rng = 88172645463325252u;
	char *own[100] = { NULL };

	pthread_barrier_wait(crowd->all);
	for (int i = 0; i < crowd->rounds * 1000; i++) {
		uint64_t r = bench_random(&rng) >> 11;
		char **at = &own[r % 100];

		bench_free(*at);
		*at = take((size_t)16 << r / 128 % 9);
		if (i % 250 == 249)
			sched_yield();
	}
	drop(own, 100);
	return NULL;
}

static void crowd(unsigned threads, int rounds)
{
	pthread_barrier_t all;
	struct crowd crowd = { rounds, &all };

	pthread_barrier_init(&all, NULL, threads);
	together(threads, be_busy, &crowd);
	pthread_barrier_destroy(&all);
}

static void crowd_of_300(double scale)
{
	crowd(300, (int)scaled(20, scale));
}

static void crowd_of_100(double scale)
{
	crowd(100, (int)scaled(5, scale));
}

static void threads_300(double scale)
{
	laps(1, scale, crowd_of_300);
}

static void threads_100(double scale)
{
	laps(6, scale, crowd_of_100);
}

/* ---- other shapes */

static void next_size(double scale)
{
	static const size_t size[] = { 100000, 1000000, 300, 3000000, 5000, 150000 };
	static unsigned turn;
	size_t now = size[turn++ % 6];

	make_and_drop(scaled((size_t)(30 + turn % 5 * 6) * MIB / now, scale), now);
}

static void sizes(double scale)
{
	laps(18, scale, next_size);
}

static void compute(double seconds)
{
	double end = bench_clock(CLOCK_PROCESS_CPUTIME_ID) + seconds;

	while (bench_clock(CLOCK_PROCESS_CPUTIME_ID) < end)
		;
}

static void build_and_compute(double scale)
{
	make_items(scale);
	compute(0.05 * scale);
}

static void computing(double scale)
{
	laps(12, scale, build_and_compute);
}

static void burst(double scale)
{
	make_and_drop(scaled(60000, scale), 500);
	pause_seconds(0.2);
}

static void bursts(double scale)
{
	laps(15, scale, burst);
}

static void make_other_half(double scale)
{
	size_t n = scaled(120000, scale);

	for (size_t i = 0; i < n; i += 2) {
		bench_free(block[i]);
		block[i] = NULL;
	}
	for (size_t i = 0; i < n; i += 2)
		block[i] = take(500);
}

static void saw(double scale)
{
	make(block, scaled(120000, scale), 500);
	laps(12, scale, make_other_half);
}

static const struct memory_case cases[] = {
	{ "threads_300", threads_300 },
	{ "threads_100", threads_100 },
	{ "phase_lists", phase_lists },
	{ "strings", strings },
	{ "instances", instances },
	{ "temporary_1", temporary_1 },
	{ "temporary_3", temporary_3 },
	{ "temporary_5", temporary_5 },
	{ "temporary_20", temporary_20 },
	{ "temporary_60", temporary_60 },
	{ "temporary_1_x4", temporary_1_x4 },
	{ "temporary_3_x4", temporary_3_x4 },
	{ "temporary_5_x4", temporary_5_x4 },
	{ "temporary_20_x4", temporary_20_x4 },
	{ "temporary_60_x4", temporary_60_x4 },
	{ "kinds", kinds },
	{ "sizes", sizes },
	{ "computing", computing },
	{ "bursts", bursts },
	{ "saw", saw },
};

PRICE_MAIN(cases)
