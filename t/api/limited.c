/* SPDX-License-Identifier: MIT
 *
 * limited - what t/api/limit.sh runs under ulimit -v: takes memory until there is none, gives half
 * of it back and goes on, gives all of it back and takes it again.  The limit is there from the
 * start, so threads, heaps and records are refused as well.
 *
 * Exit: 0 all is well; 1 it is not; 3 there was not enough to begin with.
 */
#include <arenite/arenite.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

enum { BLOCKS = 400000, ROUNDS = 4, FEW = 200, THREADS = 3, STACK = 128 * 1024 };

static size_t *blocks[BLOCKS];
static size_t count;

static _Noreturn void fail(const char *what, size_t n)
{
	printf("%s: %zu\n", what, n);
	fflush(stdout);
	_exit(1);
}

static size_t some_size(size_t i)
{
	if (i % 500 == 499)
		return 3u << 20;
	return i % 20 == 19 ? 40000 : 16 + i * 37 % 1500;
}

static size_t *take(size_t i)
{
	size_t size = some_size(i), *block;

	errno = 0;
	block = i % 2 ? arn_mem_malloc(size) : arn_obj_malloc(size);
	if (!block && errno != ENOMEM)
		fail("NULL without ENOMEM", (size_t)errno);
	if (block)
		block[0] = block[1] = i ^ (uintptr_t)block;
	return block;
}

static void give(size_t i)
{
	if (!blocks[i])
		return;
	if (blocks[i][0] != (i ^ (uintptr_t)blocks[i]) || blocks[i][1] != blocks[i][0])
		fail("a block is spoilt", i);
	arn_free(blocks[i]);
	blocks[i] = NULL;
}

/* Until there is none, and a little beyond; how many. */
static size_t fill(void)
{
	size_t refused = 0, taken = 0;

	for (count = 0; count < BLOCKS && refused < FEW; count++) {
		blocks[count] = take(count);
		*(blocks[count] ? &taken : &refused) += 1;
	}
	if (count == BLOCKS)
		fail("there is no limit", count);
	return taken;
}

static void give_every(size_t step)
{
	for (size_t i = 0; i < count; i += step)
		give(i);
}

/* What has been given back is there again. */
static void take_few(void)
{
	for (size_t i = 0; i < FEW; i += 2) {
		if (!blocks[i] && !(blocks[i] = take(i)))
			fail("nothing to be had after blocks were freed", i);
	}
}

/* A thread in need: it may get nothing, but it frees what others have made. */
static void *need(void *arg)
{
	size_t self = (size_t)(uintptr_t)arg;
	arn_heap heap;

	arn_heap_init(&heap, NULL, ARN_TAG_GC);
	for (size_t i = 0; i < FEW; i++)
		arn_free(arn_heap_malloc(&heap, some_size(i)));
	arn_heap_abandon(&heap);
	for (size_t i = 2 * self + 1; i < count; i += 2 * THREADS)
		give(i);
	arn_free(take(self));
	return NULL;
}

static void run_threads(void)
{
	pthread_t thread[THREADS];
	bool runs[THREADS];
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK);
	for (size_t i = 0; i < THREADS; i++)
		runs[i] = pthread_create(&thread[i], &small, need, (void *)(uintptr_t)i) == 0;
	for (size_t i = 0; i < THREADS; i++)
		if (runs[i])
			pthread_join(thread[i], NULL);
	pthread_attr_destroy(&small);
}

int main(void)
{
	size_t first = 0, taken = 0;

	if (!arn_mem_malloc(1))
		return 3;
	for (int round = 0; round < ROUNDS; round++) {
		taken = fill();
		first = round == 0 ? taken : first;
		give_every(2);
		take_few();
		run_threads();
		give_every(1);
		arn_trim();
	}
	if (first < 1000)
		return 3;
	if (taken < first - first / 5)
		fail("less in the last round than in the first, per cent", taken * 100 / first);
	printf("%zu blocks, %zu in the last round\n", first, taken);
	return 0;
}
