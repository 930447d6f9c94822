/* SPDX-License-Identifier: MIT
 *
 * arenas - what a block costs when there are many arenas: 10, 100, 1000, 4000 of 32 MiB, of which
 * nearly all are full.  They are address space; no page of a block is touched, but for those that
 * must be resident.
 *
 *     arenas arenite CASE SECONDS    prints "ns-per-operation peak-rss-KiB", as the others do
 *     arenas --list                  prints the names of its cases
 *
 * full      a block of 100 kB is allocated and freed; all arenas but the last are full
 * pool      a pool of 64 KiB (8 blocks of 8 KiB) is filled and emptied, while a free slice of the
 *           last arena is resident; the time is that of all 16 calls
 * holes     a block of 100 kB is allocated and freed; the arenas have holes of one slice only
 * resident  the same, and two of the holes are resident
 */
#include "bench.h"

enum { ARENA_SLICES = 503, MOST = 4000 * ARENA_SLICES / 2 };

/* Of 64 KiB: blocks of 100 kB have two slices, blocks of 140 kB three. */
#define TWO   100000
#define THREE 140000

static void *block[MOST];
static size_t blocks;
static void *(*resize)(void *, size_t);

static void add(size_t size, size_t n)
{
	for (; n > 0; n--)
		if (!(block[blocks++] = bench_malloc(size)))
			bench_die("malloc", "no memory");
}

/* Fill so many arenas with blocks of two slices, or of three and one of two in each. */
static void fill(size_t arenas, size_t size)
{
	for (; arenas > 0; arenas--) {
		add(size, ARENA_SLICES / (size == TWO ? 2 : 3));
		if (size == THREE)
			add(TWO, 1);
	}
}

/* Blocks of three slices become shorter by one. */
static void make_holes(void)
{
	for (size_t i = 0; i < blocks; i++)
		if (resize(block[i], TWO) != block[i])
			bench_die("realloc", "the block has moved");
}

static void touch(char *p, size_t size)
{
	for (size_t at = 0; at < size; at += 4096)
		p[at] = 1;
}

static long pairs_of(size_t size, long n)
{
	for (long i = 0; i < n; i++)
		bench_free(bench_malloc(size));
	return n;
}

static long lap_full(const struct bench_case *c)
{
	if (!blocks)
		fill(c->a, TWO);
	return pairs_of(TWO, 100);
}

static long lap_holes(const struct bench_case *c)
{
	if (!blocks) {
		fill(c->a, THREE);
		make_holes();
	}
	return pairs_of(TWO, 100);
}

/* The slices that two blocks give up are resident. */
static long lap_resident(const struct bench_case *c)
{
	if (!blocks) {
		fill(c->a, THREE);
		touch(block[blocks - 2], THREE);
		touch(block[blocks - 4], THREE);
		make_holes();
	}
	return pairs_of(TWO, 100);
}

static long lap_pool(const struct bench_case *c)
{
	static void *small[8 * 8];

	if (!blocks) {
		fill(c->a, THREE);
		touch(block[blocks - 2], THREE);
		resize(block[blocks - 2], TWO);
	}
	for (int i = 0; i < 64; i++)
		small[i] = bench_malloc(8192);
	for (int i = 0; i < 64; i++)
		bench_free(small[i]);
	return 8;
}

#define ROW(name)                                                                 \
	{ #name "-10", 10, 0, lap_##name, CLOCK_PROCESS_CPUTIME_ID },             \
		{ #name "-100", 100, 0, lap_##name, CLOCK_PROCESS_CPUTIME_ID },   \
		{ #name "-1000", 1000, 0, lap_##name, CLOCK_PROCESS_CPUTIME_ID }, \
	{                                                                         \
#name "-4000", 4000, 0, lap_##name, CLOCK_PROCESS_CPUTIME_ID      \
	}

static const struct bench_case cases[] = { ROW(full), ROW(pool), ROW(holes), ROW(resident) };

int main(int argc, char **argv)
{
	const struct bench_case *c = BENCH_CHOOSE(argc, argv, cases);
	const char *library = getenv("ARN_BENCH_LIB");
	void *lib = dlopen(library ? library : "libarenite.so", RTLD_NOW);

	if (lib)
		*(void **)&resize = dlsym(lib, "arn_mem_realloc");
	if (!resize)
		bench_die("arn_mem_realloc", dlerror());
	bench_run(c, atof(argv[3]));
}
