/* SPDX-License-Identifier: MIT
 *
 * tend - a thread makes blocks and waits, others free them: what they were on goes back to the
 * system without it, and comes home when it goes on.  What was freed to heaps that nobody has goes
 * home, too.
 */
#include "support/core.h"

#include "heap/heap.h"
#include "os/os.h"
#include "heap/remote.h"

#include <arenite/arenite.h>

enum { BLOCKS = 20000, SIZE = 400 };

static arn_heap handle, own[ARN_TAGS];
static void *block[BLOCKS];
static atomic_bool made, go_on;

static void *make_and_wait(void *arg)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		memset(block[i] = arn_heap_malloc(&handle, SIZE), 1, SIZE);
	atomic_store(&made, true);
	while (!atomic_load(&go_on))
		sched_yield();
	arn_free(arn_heap_malloc(&handle, MIB));
	return arg;
}

static void *make(void *arg)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		memset(block[i] = arn_heap_malloc(&handle, SIZE), 1, SIZE);
	return arg;
}

static pthread_t begin(void *(*body)(void *), enum arn_tag tag)
{
	pthread_t thread;

	atomic_store(&made, false);
	atomic_store(&go_on, false);
	arn_heap_init(&handle, NULL, tag);
	if (pthread_create(&thread, NULL, body, NULL))
		bail("pthread_create");
	return thread;
}

static void free_all(void)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		arn_free(block[i]);
}

/* A thousand calls by a thread that has nothing to do with those blocks; time goes by. */
static void call(enum arn_tag tag)
{
	void *held[8] = { NULL };
	struct rng rng = rng_start(1);

	for (unsigned i = 0; i < 1000; i++) {
		void **at = &held[rng_below(&rng, 8)];

		add_relaxed(&os_ahead, 50);
		arn_free(*at);
		*at = *at ? NULL : arn_heap_malloc(&own[tag], rng_below(&rng, 3000));
	}
	for (unsigned i = 0; i < 8; i++)
		arn_free(held[i]);
}

static size_t remote_kib(void)
{
	struct arn_resident resident;

	arn_stats_resident(&resident);
	return resident.remote / KIB;
}

static void test_owner_waits(enum arn_tag tag)
{
	pthread_t thread = begin(make_and_wait, tag);
	size_t before;

	while (!atomic_load(&made))
		sched_yield();
	free_all();
	before = remote_kib();
	call(tag);
	ok(before > 4096 && remote_kib() < 64,
	   "tag %d: of %zu KiB, freed to a thread that waits, %zu stay", (int)tag, before,
	   remote_kib());
	atomic_store(&go_on, true);
	pthread_join(thread, NULL);
	ok(load_relaxed(&handle.heap->x_pool_bytes) <= 1 * MIB && heap_is_valid(handle.heap),
	   "tag %d: all of it is home when the thread goes on: %zu KiB in pools", (int)tag,
	   load_relaxed(&handle.heap->x_pool_bytes) / KIB);
	arn_heap_abandon(&handle);
}

static void test_nobody(enum arn_tag tag)
{
	pthread_t thread = begin(make, tag);
	struct heap *heap;

	pthread_join(thread, NULL);
	heap = handle.heap;
	arn_heap_abandon(&handle);
	free_all();
	remote_flush();
	call(tag);
	ok(!load_relaxed(&heap->x_pending) && load_relaxed(&heap->x_pool_bytes) == 0,
	   "tag %d: what was freed to nobody's heap is home: %zu KiB in pools", (int)tag,
	   load_relaxed(&heap->x_pool_bytes) / KIB);
}

int main(void)
{
	for (enum arn_tag tag = ARN_TAG_MEM; tag < ARN_TAGS; tag++) {
		arn_heap_init(&own[tag], NULL, tag);
		arn_free(arn_heap_malloc(&own[tag], 1));
	}
	test_owner_waits(ARN_TAG_MEM);
	test_owner_waits(ARN_TAG_GC);
	test_nobody(ARN_TAG_MEM);
	test_nobody(ARN_TAG_GC);
	return done();
}
