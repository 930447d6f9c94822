/* SPDX-License-Identifier: MIT
 *
 * price-once - programs that drop much memory once: what stays of it, what the drop costs where the
 * system takes nothing, how long the longest call takes.
 */
#include "price.h"

/* ---- some make, another one drops */

struct maker {
	pthread_barrier_t made, left;
	size_t n, size;
	char **at;
};

static struct maker maker;

static void *run_maker(void *arg)
{
	char **at = (char **)arg;

	make(at, maker.n, maker.size);
	pthread_barrier_wait(&maker.made);
	pthread_barrier_wait(&maker.left);
	return NULL;
}

static void leave(pthread_t *thread, unsigned threads)
{
	pthread_barrier_wait(&maker.left);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
}

/* Threads make what is dropped by the main thread while they are idle, or after they have ended;
 * then a thread works a little. */
static void handed(unsigned threads, size_t n, size_t size, bool ended)
{
	pthread_t thread[4];
	size_t before = resident();

	pthread_barrier_init(&maker.made, NULL, threads + 1);
	pthread_barrier_init(&maker.left, NULL, threads + 1);
	maker.n = n / threads;
	maker.size = size;
	for (size_t i = 0; i < threads; i++)
		start_thread(&thread[i], run_maker, block + i * maker.n);
	pthread_barrier_wait(&maker.made);
	if (ended)
		leave(thread, threads);
	metric("rss_full", (double)resident());
	drop(block, threads * maker.n);
	metric("left_once", above(resident(), before));
	let_some_thread_work();
	metric("left_second", above(resident(), before));
	if (!ended)
		leave(thread, threads);
}

static void handed_idle(double scale)
{
	handed(4, scaled(330 * (size_t)MIB / 400, scale), 400, false);
}

static void handed_ended(double scale)
{
	handed(4, scaled(330 * (size_t)MIB / 400, scale), 400, true);
}

static void orphans(double scale)
{
	handed(4, scaled(310000, scale), 5000, true);
}

static void orphans_of_one(double scale)
{
	handed(1, scaled(310000, scale), 5000, true);
}

/* ---- the system takes nothing */

enum { PAIRS = 2000 };

/* Every second of n blocks is dropped, and then there are pairs of malloc and free; twice as many
 * blocks may take twice the time. */
static void refused(size_t n, bool locked, bool deny)
{
	size_t tried;
	double start;

	if (locked && mlockall(MCL_CURRENT | MCL_FUTURE))
		bench_die("mlockall", strerror(errno));
	make(block, n, 70000);
	atomic_store(&denied, deny);
	start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t i = 0; i < n; i += 2)
		bench_free(block[i]);
	metric("ns_drop", 1e9 * (bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start));
	tried = atomic_load(&calls_tried);
	metric("tried", (double)tried);
	start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < PAIRS; i++)
		bench_free(bench_malloc(70000));
	metric("ns_pair", 1e9 * (bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start) / PAIRS);
	metric("tried_by_pairs", (double)(atomic_load(&calls_tried) - tried));
}

#define REFUSED(n)                                       \
	static void locked_##n(double scale)             \
	{                                                \
		refused(scaled(n, scale), true, false);  \
	}                                                \
	static void denied_##n(double scale)             \
	{                                                \
		refused(scaled(n, scale), false, true);  \
	}                                                \
	static void open_##n(double scale)               \
	{                                                \
		refused(scaled(n, scale), false, false); \
	}
REFUSED(2000)
REFUSED(4000)
REFUSED(8000)

/* ---- the longest call */

/* As many bytes of each doubling from 256 bytes to 4 MiB. */
static size_t some_size(uint64_t *rng)
{
	uint64_t r = bench_random(rng) >> 11;
	size_t low = 256;

	for (; r & 1 && low < 2 * MIB; r >>= 1)
		low *= 2;
	return low + (bench_random(rng) >> 11) % low;
}

/* How far a count has come since the last look, at most. */
static void keep_most(size_t *most, size_t *last, atomic_size_t *count)
{
	size_t now = atomic_load(count);

	*most = now - *last > *most ? now - *last : *most;
	*last = now;
}

/* Of single calls of free: the most processor time of the thread; or, counted exactly, the most
 * that one gave back, and the most calls to the system that it made. */
static void longest(size_t bytes, bool exact)
{
	char **at = table(4 * (size_t)BLOCKS * sizeof *at);
	uint64_t rng = 88172645463325252u;
	double most = 0, before, now;
	size_t n = 0, rss = resident(), most_given = 0, most_tried = 0, given, tried;

	for (size_t size; bytes > 0; bytes -= size < bytes ? size : bytes) {
		size = some_size(&rng);
		at[n++] = bench_take(size);
	}
	by_pages = exact;
	given = atomic_load(&bytes_given);
	tried = atomic_load(&calls_tried);
	before = bench_clock(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < n; i++) {
		bench_free(at[i]);
		now = bench_clock(CLOCK_THREAD_CPUTIME_ID);
		most = now - before > most ? now - before : most;
		before = now;
		keep_most(&most_given, &given, &bytes_given);
		keep_most(&most_tried, &tried, &calls_tried);
	}
	if (!exact)
		metric("ns_longest", 1e9 * most);
	metric(exact ? "given_longest" : "given_space_longest", (double)most_given);
	metric("calls_longest", (double)most_tried);
	metric("left_once", above(resident(), rss));
}

static void longest_1(double scale)
{
	longest(scaled((size_t)1 << 30, scale), false);
}

static void longest_4(double scale)
{
	longest(scaled((size_t)4 << 30, scale), false);
}

static void longest_exact_1(double scale)
{
	longest(scaled((size_t)1 << 30, scale), true);
}

static void longest_exact_4(double scale)
{
	longest(scaled((size_t)4 << 30, scale), true);
}

/* ---- blocks with arenas of their own */

static void huge(double scale)
{
	size_t n = scaled(4000, scale), rss = resident(), space = address_space();

	for (size_t i = 0; i < n; i++) {
		block[i] = bench_malloc(17 * (size_t)MIB);
		if (!block[i])
			bench_die("malloc", "no memory");
		*block[i] = 1;
	}
	metric("space_full", above(address_space(), space));
	drop(block, n);
	metric("space_once", above(address_space(), space));
	metric("left_once", above(resident(), rss));
	let_some_thread_work();
	metric("space_second", above(address_space(), space));
	metric("left_second", above(resident(), rss));
}

/* ---- what a page costs on this machine */

static double seconds_of_round(char *pages, size_t bytes)
{
	double start = bench_clock(CLOCK_PROCESS_CPUTIME_ID);

	madvise(pages, bytes, MADV_DONTNEED);
	for (size_t i = 0; i < bytes; i += 4096)
		pages[i] = 1;
	return bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start;
}

/* To give back 4 KiB and to take them again, the least of some rounds. */
static void page(double scale)
{
	size_t bytes = scaled(16 * (size_t)MIB, scale);
	double least = 1;
	char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		bench_die("mmap", "no memory");
	madvise(pages, bytes, MADV_NOHUGEPAGE);
	for (int i = 0; i < 10; i++) {
		double seconds = seconds_of_round(pages, bytes);

		least = seconds < least ? seconds : least;
	}
	munmap(pages, bytes);
	metric("ns_page", least * 1e9 / ((double)bytes / 4096));
}

static const struct memory_case cases[] = {
	{ "handed_idle", handed_idle },
	{ "handed_ended", handed_ended },
	{ "orphans", orphans },
	{ "orphans_of_one", orphans_of_one },
	{ "locked_2000", locked_2000 },
	{ "locked_4000", locked_4000 },
	{ "locked_8000", locked_8000 },
	{ "denied_2000", denied_2000 },
	{ "denied_4000", denied_4000 },
	{ "denied_8000", denied_8000 },
	{ "open_2000", open_2000 },
	{ "open_4000", open_4000 },
	{ "open_8000", open_8000 },
	{ "longest_1", longest_1 },
	{ "longest_4", longest_4 },
	{ "longest_exact_1", longest_exact_1 },
	{ "longest_exact_4", longest_exact_4 },
	{ "huge", huge },
	{ "page", page },
};

PRICE_MAIN(cases)
