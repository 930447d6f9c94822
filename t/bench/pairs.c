/* SPDX-License-Identifier: MIT
 *
 * pairs - one thread allocates and frees blocks of one size: at once, or in batches, last or first
 * first.  An operation is one malloc and its free.
 */
#include "bench.h"

static void *batch[1000];

static long lap_pair(const struct bench_case *c)
{
	long n = c->a > 4096 ? 1000 : 20000;

	for (long i = 0; i < n; i++)
		bench_free(bench_take(c->a));
	return n;
}

static void fill(const struct bench_case *c)
{
	for (size_t i = 0; i < c->b; i++)
		batch[i] = bench_take(c->a);
}

static long lap_lifo(const struct bench_case *c)
{
	for (int k = 0; k < 10; k++) {
		fill(c);
		for (size_t i = c->b; i-- > 0;)
			bench_free(batch[i]);
	}
	return 10 * (long)c->b;
}

static long lap_fifo(const struct bench_case *c)
{
	for (int k = 0; k < 10; k++) {
		fill(c);
		for (size_t i = 0; i < c->b; i++)
			bench_free(batch[i]);
	}
	return 10 * (long)c->b;
}

#define ONE(size)                                                          \
	{                                                                  \
		"pair-" #size, size, 1, lap_pair, CLOCK_PROCESS_CPUTIME_ID \
	}
#define BATCH(size, n)                                                           \
	{ "lifo" #n "-" #size, size, n, lap_lifo, CLOCK_PROCESS_CPUTIME_ID },    \
	{                                                                        \
		"fifo" #n "-" #size, size, n, lap_fifo, CLOCK_PROCESS_CPUTIME_ID \
	}
#define ALL(size) ONE(size), BATCH(size, 100), BATCH(size, 1000)

static const struct bench_case cases[] = {
	ALL(8),
	ALL(16),
	ALL(64),
	ALL(256),
	ALL(1024),
	ALL(4096),
	ALL(16384),
	ALL(65536),
	ONE(98304),
	ONE(131072),
	ONE(196608),
	ONE(262144),
	ONE(524288),
	ONE(1048576),
	BATCH(131072, 100),
	BATCH(1048576, 100),
};

BENCH_MAIN(cases)
