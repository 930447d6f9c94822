/* SPDX-License-Identifier: MIT
 *
 * loop - the same gigabyte, allocated, written to, and freed, again and again: what it costs to
 * give memory back that is wanted again at once.  t/memory/memory.sh compares the time with that of
 * a run that keeps everything.
 *
 *     small, large, huge    64 B to 8 KiB; 64 KiB to 4 MiB; 16 to 64 MiB; by lot, freed in the
 *                           order they were made
 *     mixed                 64 B to 4 MiB, as many bytes of each doubling, freed in no order
 *     saw                   small, but half of it stays while the other half comes and goes
 *
 * MEMORY_LAPS    how often (10)
 * MEMORY_LATER   seconds with little work until it is seen what stayed (5)
 * MEMORY_WRITE   1: every byte of a block is written; 0: one word a page
 */
#include "memory.h"

#include <sys/resource.h>

enum { BLOCKS = 4 << 20 };

static char **block;
static uint64_t rng = 88172645463325252u;
static bool whole;

struct mix {
	unsigned low, high; /* powers of two */
	bool by_bytes;      /* as many bytes of each doubling, else evenly between the two */
	bool shuffled;
	unsigned stays; /* of 100 */
};

static size_t some_size(const struct mix *mix)
{
	uint64_t r = bench_random(&rng) >> 11;
	size_t low = (size_t)1 << mix->low, high = (size_t)1 << mix->high;

	if (!mix->by_bytes)
		return low + r % (high - low + 1);
	/* doubling k as often as 2^-k: as many bytes of each */
	for (r &= ((uint64_t)1 << (mix->high - mix->low)) - 1; r & 1 && low < high / 2; r >>= 1)
		low *= 2;
	return low + (bench_random(&rng) >> 11) % low;
}

static size_t fill(const struct mix *mix, size_t from, size_t bytes)
{
	size_t n = from;

	for (size_t size; bytes > 0 && n < BLOCKS; bytes -= size < bytes ? size : bytes) {
		size = some_size(mix);
		block[n] = bench_take(size);
		if (whole)
			memset(block[n], 1, size);
		n++;
	}
	return n;
}

static void shuffle(size_t from, size_t n)
{
	for (size_t i = n; i > from + 1; i--) {
		size_t other = from + (bench_random(&rng) >> 11) % (i - from);
		char *last = block[i - 1];

		block[i - 1] = block[other];
		block[other] = last;
	}
}

static void drop(size_t from, size_t n)
{
	for (size_t i = from; i < n; i++)
		bench_free(block[i]);
}

static double page_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_minflt;
}

/* A while after the loop, in which a little was allocated and freed now and then: what is there
 * beside what is live. */
static double left_later(size_t stay)
{
	const char *seconds = getenv("MEMORY_LATER");
	double end = bench_clock(CLOCK_MONOTONIC) + (seconds ? atof(seconds) : 5);

	do {
		pause_seconds(0.02);
		drop(stay, fill(&(struct mix){ 6, 13, false, false, 0 }, stay, (size_t)1 << 20));
	} while (bench_clock(CLOCK_MONOTONIC) < end);
	return (double)resident();
}

/* Prints the processor time of a lap and its page faults, the median of all laps; how often the
 * first lap's faults came again in all others together, but for what is new in a lap whose sizes
 * are others; what stays resident beside what is live after the first lap, between two at most, and
 * a while after the last; and the peak. */
static void run(const struct mix *mix, double scale)
{
	size_t bytes = scaled((size_t)1 << 30, scale), fixed = bytes / 100 * mix->stays, stay,
	       before;
	const char *laps = getenv("MEMORY_LAPS"), *write = getenv("MEMORY_WRITE");
	struct series trough = { .n = 0 }, lap = { .n = 0 }, faults = { .n = 0 };

	whole = write && *write == '1';
	block = table(BLOCKS * sizeof *block);
	before = resident();
	stay = fill(mix, 0, fixed);
	for (long i = laps ? atol(laps) : 10; i > 0; i--) {
		double start = bench_clock(CLOCK_PROCESS_CPUTIME_ID), faulted = page_faults();
		size_t n = fill(mix, stay, bytes - fixed);

		if (mix->shuffled)
			shuffle(stay, n);
		drop(stay, n);
		series_add(&lap, bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start);
		series_add(&faults, page_faults() - faulted);
		series_add(&trough, above(resident(), before));
	}
	metric("faults_first", faults.at[0]);
	metric("faults_again", series_sum(&faults) - faults.at[0]);
	metric("lap", series_median(&lap));
	metric("faults", series_median(&faults));
	metric("live", (double)fixed);
	metric("trough_first", trough.at[0] - (double)fixed);
	metric("trough", series_max(&trough) - (double)fixed);
	metric("later", left_later(stay) - (double)before - (double)fixed);
	metric("peak", (double)bench_peak_kib() * 1024 - (double)before);
}

static void run_small(double scale)
{
	run(&(struct mix){ 6, 13, false, false, 0 }, scale);
}

static void run_large(double scale)
{
	run(&(struct mix){ 16, 22, false, false, 0 }, scale);
}

static void run_huge(double scale)
{
	run(&(struct mix){ 24, 26, false, false, 0 }, scale);
}

static void run_mixed(double scale)
{
	run(&(struct mix){ 6, 22, true, true, 0 }, scale);
}

static void run_saw(double scale)
{
	run(&(struct mix){ 6, 13, false, false, 50 }, scale);
}

static const struct memory_case cases[] = {
	{ "small", run_small }, { "large", run_large }, { "huge", run_huge },
	{ "mixed", run_mixed }, { "saw", run_saw },
};

MEMORY_MAIN(cases)
