/* SPDX-License-Identifier: MIT
 *
 * memory.h - what the programs about resident memory share: the kernel's numbers, series over
 * rounds, metrics.
 *
 *     PROGRAM ALLOCATOR CASE SCALE    prints lines "metric value"; the bounds stand in
 *                                     t/memory/memory.sh
 *     PROGRAM --list                  prints the names of its cases
 *
 * One case is one process, for what is resident depends on what ran before.  Sizes are bytes, times
 * seconds, parts percent.  The programs' own tables are mapped before the first measurement and
 * touched, so that they do not count.
 */
#ifndef ARN_T_MEMORY_H
#define ARN_T_MEMORY_H

#include "../bench/bench.h"

#include <sys/mman.h>

enum { ROUNDS_MAX = 1024 };

/* The number after the word in a file of /proc/self, in bytes. */
static size_t proc_bytes(const char *file, const char *word)
{
	char text[8192], *at;
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	at = strstr(text, word);
	return at ? strtoul(at + strlen(word), NULL, 10) * 1024 : 0;
}

/* Exact: VmRSS lags behind by some pages for each processor.  A kernel without the file has
 * VmRSS. */
static size_t resident(void)
{
	size_t bytes = proc_bytes("/proc/self/smaps_rollup", "\nRss:");

	return bytes ? bytes : proc_bytes("/proc/self/status", "\nVmRSS:");
}

static inline size_t address_space(void)
{
	return proc_bytes("/proc/self/status", "\nVmSize:");
}

static void metric(const char *name, double value)
{
	printf("%s %.4f\n", name, value);
}

/* a - b, not below zero */
static inline double above(size_t a, size_t b)
{
	return a > b ? (double)(a - b) : 0;
}

static inline void *table(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		bench_die("mmap", "no memory");
	return p;
}

/* At least 1. */
static inline size_t scaled(size_t n, double scale)
{
	double product = (double)n * scale;

	return product < 1 ? 1 : (size_t)product;
}

static inline void pause_seconds(double seconds)
{
	struct timespec ts = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	nanosleep(&ts, NULL);
}

/* One value for each round.  The first fifth is warm-up. */
struct series {
	double at[ROUNDS_MAX];
	size_t n;
};

static inline void series_add(struct series *s, double value)
{
	if (s->n < ROUNDS_MAX)
		s->at[s->n++] = value;
}

static inline double series_sum(const struct series *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->at[i];
	return sum;
}

static inline double series_mean(const struct series *s)
{
	size_t from = s->n / 5;
	double sum = 0;

	for (size_t i = from; i < s->n; i++)
		sum += s->at[i];
	return sum / (double)(s->n - from);
}

static inline double series_max(const struct series *s)
{
	double most = 0;

	for (size_t i = s->n / 5; i < s->n; i++)
		most = s->at[i] > most ? s->at[i] : most;
	return most;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static inline double series_median(struct series *s)
{
	qsort(s->at, s->n, sizeof *s->at, compare_doubles);
	return s->at[s->n / 2];
}

/* The straight line of least squares through what follows the warm-up: its rise from first to last,
 * so a slope of zero is a rise of zero, and noise in one round counts little. */
static inline double series_rise(const struct series *s)
{
	size_t from = s->n / 5, n = s->n - from;
	double middle = (double)(n - 1) / 2, mean = series_mean(s), up = 0, square = 0;

	for (size_t i = 0; i < n; i++) {
		up += ((double)i - middle) * (s->at[from + i] - mean);
		square += ((double)i - middle) * ((double)i - middle);
	}
	return square > 0 ? up / square * (double)(n - 1) : 0;
}

static inline void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg))
		bench_die("pthread_create", "no thread");
}

struct memory_case {
	const char *name;
	void (*run)(double scale);
};

#define MEMORY_MAIN(cases)                                           \
	int main(int argc, char **argv)                              \
	{                                                            \
		setvbuf(stdout, NULL, _IOLBF, 0);                    \
		BENCH_CHOOSE(argc, argv, cases)->run(atof(argv[3])); \
	}

#endif
