/* SPDX-License-Identifier: MIT
 *
 * threads - threads that come and go.  Each allocates 1000 small blocks, frees nine tenths of them
 * and what the thread before it in its lane left, leaves the rest alive and ends.  An operation is
 * one thread's life.
 */
#include "bench.h"

enum { LANES = 4, BLOCKS = 1000, LEFT = BLOCKS / 10 };

struct lane {
	void *left[LEFT];
	uint64_t rng;
};

static struct lane lanes[LANES];

static void *life(void *arg)
{
	struct lane *lane = arg;
	void *block[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		block[i] = bench_take(16 + bench_random(&lane->rng) % 500);
	for (int i = 0; i < LEFT; i++)
		if (lane->left[i])
			bench_free(lane->left[i]);
	for (int i = 0; i < BLOCKS; i++) {
		if (i % 10 == 0)
			lane->left[i / 10] = block[i];
		else
			bench_free(block[i]);
	}
	return NULL;
}

static long lap(const struct bench_case *c)
{
	pthread_t thread[LANES];

	for (size_t i = 0; i < c->a; i++) {
		if (!lanes[i].rng)
			lanes[i].rng = 88172645463325252u + i;
		pthread_create(&thread[i], NULL, life, &lanes[i]);
	}
	for (size_t i = 0; i < c->a; i++)
		pthread_join(thread[i], NULL);
	return (long)c->a;
}

static const struct bench_case cases[] = {
	{ "life-1", 1, 0, lap, CLOCK_MONOTONIC },
	{ "life-4", 4, 0, lap, CLOCK_MONOTONIC },
};

BENCH_MAIN(cases)
