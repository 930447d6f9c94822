/* SPDX-License-Identifier: MIT
 *
 * bench.h - what the C benchmarks share: the table of allocators, the clock, random numbers, the
 * report.
 *
 * A program runs one case with one allocator in a process of its own:
 *
 *     pairs ALLOCATOR CASE SECONDS    prints "ns-per-operation peak-rss-KiB"
 *     pairs --list                    prints the names of its cases
 *
 * Every allocator is loaded with dlopen and called through the same two pointers, so that none of
 * them gains from inlining or from being the program's own malloc.  ARN_BENCH_LIB names our
 * library.  The allocator `names` is whatever malloc and free the process has, as by LD_PRELOAD.
 */
#ifndef ARN_BENCH_H
#define ARN_BENCH_H

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct bench_allocator {
	const char *name, *library, *malloc_name, *free_name;
};

static const struct bench_allocator bench_allocators[] = {
	{ "arenite", "libarenite.so", "arn_mem_malloc", "arn_mem_free" },
	{ "mimalloc", "libmimalloc.so.2", "mi_malloc", "mi_free" },
	{ "jemalloc", "libjemalloc.so.2", "malloc", "free" },
	{ "tcmalloc", "libtcmalloc_minimal.so.4", "tc_malloc", "tc_free" },
	{ "glibc", "libc.so.6", "malloc", "free" },
	{ "names", NULL, "malloc", "free" },
};

static void *(*bench_malloc)(size_t);
static void (*bench_free)(void *);

static void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why ? why : "?");
	exit(2);
}

/* Names our library only if it is the allocator asked for: the peers come from the system. */
static const char *bench_library(const struct bench_allocator *a)
{
	const char *own = getenv("ARN_BENCH_LIB");

	return own && !strcmp(a->name, "arenite") ? own : a->library;
}

static void bench_load(const char *name)
{
	for (size_t i = 0; i < sizeof bench_allocators / sizeof *bench_allocators; i++) {
		const struct bench_allocator *a = &bench_allocators[i];

		if (strcmp(a->name, name))
			continue;
		void *lib = dlopen(bench_library(a), RTLD_NOW | RTLD_LOCAL);
		if (!lib)
			bench_die(name, dlerror());
		*(void **)&bench_malloc = dlsym(lib, a->malloc_name);
		*(void **)&bench_free = dlsym(lib, a->free_name);
		if (!bench_malloc || !bench_free)
			bench_die(name, dlerror());
		return;
	}
	bench_die(name, "unknown allocator");
}

static double bench_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* VmHWM and not ru_maxrss: the latter survives exec, so it may tell of the shell. */
static long bench_peak_kib(void)
{
	static char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	char *at = n > 0 ? strstr(text, "VmHWM:") : NULL;

	if (fd >= 0)
		close(fd);
	return at ? strtol(at + 6, NULL, 10) : 0;
}

static inline uint64_t bench_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A block as a program gets it: written to, one word in each page. */
static inline void *bench_take(size_t size)
{
	char *p = bench_malloc(size);

	if (__builtin_expect(!p, 0))
		bench_die("malloc", "no memory");
	*p = 1;
	for (size_t at = 4096; at < size; at += 4096)
		p[at] = 1;
	return p;
}

/* A case runs one lap of work and returns the number of its operations. */
struct bench_case {
	const char *name;
	size_t a, b;
	long (*lap)(const struct bench_case *);
	clockid_t clock; /* CPU time where one thread works: then neighbours do not count */
};

static void bench_run(const struct bench_case *c, double seconds)
{
	double start, spent;
	long ops = 0;

	c->lap(c); /* warm */
	start = bench_clock(c->clock);
	do {
		ops += c->lap(c);
		spent = bench_clock(c->clock) - start;
	} while (spent < seconds);
	printf("%.2f %ld\n", spent * 1e9 / (double)ops, bench_peak_kib());
}

/* The place of the case that the command line names, whose allocator is loaded; does not return
 * where it names none.  Each case of `size` bytes begins with its name. */
static size_t bench_choose(int argc, char **argv, const void *cases, size_t size, size_t count)
{
	bool list = argc == 2 && !strcmp(argv[1], "--list");

	if (!list && argc != 4)
		bench_die(argv[0], "usage: ALLOCATOR CASE SECONDS-OR-SCALE, or --list");
	for (size_t i = 0; i < count; i++) {
		const char *name = *(const char *const *)((const char *)cases + i * size);

		if (list) {
			puts(name);
		} else if (!strcmp(name, argv[2])) {
			bench_load(argv[1]);
			return i;
		}
	}
	if (!list)
		bench_die(argv[2], "unknown case");
	exit(0);
}

#define BENCH_CHOOSE(argc, argv, cases)                            \
	(&(cases)[bench_choose(argc, argv, cases, sizeof *(cases), \
	                       sizeof(cases) / sizeof *(cases))])

#define BENCH_MAIN(cases)                                                  \
	int main(int argc, char **argv)                                    \
	{                                                                  \
		bench_run(BENCH_CHOOSE(argc, argv, cases), atof(argv[3])); \
	}

#endif
