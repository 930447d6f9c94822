/* SPDX-License-Identifier: MIT
 *
 * transfer - threads that allocate and one other thread that frees what they made.  one-SIZE: one
 * producer; many-SIZE: four.  An operation is one block's malloc and its free.
 */
#include "ring.h"

enum { PRODUCERS = 4, BATCHES = 2000 };

static struct ring rings[PRODUCERS];
static size_t block_size;

static void *produce(void *arg)
{
	void *block[RING_BATCH];

	for (int k = 0; k < BATCHES; k++) {
		for (int i = 0; i < RING_BATCH; i++)
			block[i] = bench_take(block_size);
		ring_put(arg, block);
	}
	return NULL;
}

/* Take in turn from whoever has something; yield when nobody has. */
static void consume(size_t producers)
{
	size_t left = producers * BATCHES, idle = 0;
	void *block[RING_BATCH];

	for (size_t i = 0; left; i = (i + 1) % producers) {
		if (!ring_try_take(&rings[i], block)) {
			if (++idle % producers == 0)
				sched_yield();
			continue;
		}
		for (int k = 0; k < RING_BATCH; k++)
			bench_free(block[k]);
		left--;
	}
}

static long lap(const struct bench_case *c)
{
	pthread_t thread[PRODUCERS];

	block_size = c->a;
	for (size_t i = 0; i < c->b; i++)
		pthread_create(&thread[i], NULL, produce, &rings[i]);
	consume(c->b);
	for (size_t i = 0; i < c->b; i++)
		pthread_join(thread[i], NULL);
	return (long)c->b * BATCHES * RING_BATCH;
}

#define ONE(size)                                           \
	{                                                   \
		"one-" #size, size, 1, lap, CLOCK_MONOTONIC \
	}
#define MANY(size)                                                   \
	{                                                            \
		"many-" #size, size, PRODUCERS, lap, CLOCK_MONOTONIC \
	}

static const struct bench_case cases[] = {
	ONE(16), ONE(64), ONE(256), ONE(1024), ONE(16384), MANY(64), MANY(1024),
};

BENCH_MAIN(cases)
