/* SPDX-License-Identifier: MIT
 *
 * remote - blocks that other threads free go home: none is lost, none comes twice, and no pool
 * leaves while it is queued.
 */
#include "support/core.h"

#include "heap/cache.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "heap/heap.h"

enum { WORKERS = 4, BOXES = 24, BATCH = 70 };

static arn_family *family;
static arn_heap heaps[WORKERS];
static _Atomic(size_t *) boxes[BOXES];

/* ---- one owner, one other thread, step by step ----------------------------------------------- */

static void *batch[BATCH];

static void free_batch(unsigned self)
{
	(void)self;
	for (unsigned i = 0; i < BATCH; i++)
		arn_free(batch[i]);
}

static size_t queued_pools(const struct heap *heap)
{
	size_t n = 0;

	for (struct pool *pool = load_acquire(&heap->x_pending); pool;
	     pool = load_relaxed(&queue_entry(pool)->x_next))
		n += load_relaxed(&queue_entry(pool)->x_queued);
	return n;
}

static bool is_settled(const struct heap *heap)
{
	size_t out = heap_out_blocks(heap);

	if (out != 0 || load_relaxed(&heap->x_pools) != 0)
		note("%zu blocks and %zu pools have not come home", out,
		     load_relaxed(&heap->x_pools));
	return out == 0 && load_relaxed(&heap->x_pools) == 0 && !load_relaxed(&heap->x_pending) &&
	       heap_is_valid(heap);
}

/* Blocks that a thread has gathered must come home, too: the end of the thread sends them. */
static void test_home(unsigned with_tag, size_t size, const char *name)
{
	arn_heap handle;
	size_t home;

	arn_heap_init(&handle, family, with_tag);
	for (unsigned i = 0; i < BATCH; i++)
		memset(batch[i] = arn_heap_malloc(&handle, size), 0x5a, size);
	threads(1, free_batch);
	expect(queued_pools(handle.heap) > 0 && heap_is_valid(handle.heap));
	home = load_relaxed(&handle.heap->x_drained_blocks);
	for (unsigned i = 0; i < BATCH && size <= 4096; i++)
		expect(*(char *)batch[i] == 0x5a);
	remote_drain_all(handle.heap);
	home = load_relaxed(&handle.heap->x_drained_blocks) - home;
	ok(home == BATCH, "%s: %zu of %d blocks came home", name, home, BATCH);
	cache_flush(handle.heap);
	ok(is_settled(handle.heap), "%s: and their pools went", name);
	no_errors("%s: queued until then, and not written to", name);
	arn_heap_abandon(&handle);
}

/* ---- the free between the two steps of a drain ----------------------------------------------- */

static _Atomic int step;
static const char *stop_at;
static __thread bool is_other;

static void wait_for(int wanted)
{
	while (load_acquire(&step) < wanted)
		sched_yield();
}

/* The owner has cleared x_queued and not yet taken the bits, while the other thread frees and
 * queues. */
static void meet_in_drain(const char *where)
{
	if (!is_other && strcmp(where, "remote_drain") == 0 && load_acquire(&step) == 1) {
		store_release(&step, 2);
		wait_for(3);
	}
	if (is_other && strcmp(where, stop_at) == 0 && load_acquire(&step) == 2) {
		store_release(&step, 3);
		wait_for(4);
	}
}

static void *free_two(void *arg)
{
	void **two = arg;

	is_other = true;
	arn_free(two[0]);
	store_release(&step, 1);
	wait_for(2);
	arn_free(two[1]);
	return NULL;
}

/* Two live blocks of one pool, all others in it free and in no cache. */
static void two_of_a_pool(arn_heap *handle, void **two)
{
	for (unsigned i = 0; i < 4; i++)
		batch[i] = arn_heap_malloc(handle, 16 * KIB);
	two[0] = batch[2];
	two[1] = batch[3];
	arn_free(batch[0]);
	arn_free(batch[1]);
	cache_flush(handle->heap);
}

/*
 * The drain takes both blocks home, and the pool is empty; but a free queues it again.  That free
 * is stopped before its push, or before it looks whether there are still bits, without which it
 * would not push.
 */
static void test_release_queued(const char *where)
{
	arn_heap first;
	void *two[2];
	struct pool *pool;
	pthread_t thread;

	arn_heap_init(&first, family, ARN_TAG_GC);
	two_of_a_pool(&first, two);
	pool = pool_find(two[0]);
	stop_at = where;
	store_release(&step, 0);
	yield_hook(meet_in_drain);
	pthread_create(&thread, NULL, free_two, two);
	wait_for(1);
	remote_drain_all(first.heap);
	ok(load_relaxed(&pool->x_heap) == first.heap && pool_is_empty(pool),
	   "%s: a pool that is queued again while it is drained stays", where);
	store_release(&step, 4);
	pthread_join(thread, NULL);
	yield_hook(NULL);
	remote_drain_all(first.heap);
	ok(is_settled(first.heap), "%s: until the next drain", where);
	arn_heap_abandon(&first);
}

/* The other way round: a whole drain runs in the middle of a free. */
static void meet_in_send(const char *where)
{
	if (is_other && strcmp(where, "remote_send") == 0 && load_acquire(&step) == 1) {
		store_release(&step, 2);
		wait_for(3);
	}
}

static void *free_second_slowly(void *arg)
{
	void **two = arg;

	is_other = true;
	arn_free(two[0]);
	store_release(&step, 1);
	arn_free(two[1]);
	return NULL;
}

static void test_lost_wake_up(void)
{
	arn_heap handle;
	void *two[2];
	pthread_t thread;

	arn_heap_init(&handle, family, ARN_TAG_GC);
	two_of_a_pool(&handle, two);
	store_release(&step, 0);
	yield_hook(meet_in_send);
	pthread_create(&thread, NULL, free_second_slowly, two);
	wait_for(2);
	remote_drain_all(handle.heap);
	store_release(&step, 3);
	pthread_join(thread, NULL);
	yield_hook(NULL);
	remote_drain_all(handle.heap);
	ok(is_settled(handle.heap), "a free that a drain overtakes is not forgotten");
	arn_heap_abandon(&handle);
}

/* ---- many owners that swap blocks ------------------------------------------------------------ */

/*
 * Sizes of which a pool has few blocks, so that pools fall empty all the time, and sizes of which
 * it has many.
 */
static size_t some_size(struct rng *rng)
{
	static const size_t sizes[] = { 16 * KIB, 30000, 64 * KIB, 70000, 9000, 256, 16 };

	return sizes[rng_below(rng, array_length(sizes))];
}

static size_t stamp(const size_t *block)
{
	return (size_t)block ^ block[1] * 0x9e3779b97f4a7c15u;
}

static size_t *make_block(unsigned self, struct rng *rng)
{
	size_t size = some_size(rng), *block = arn_heap_malloc(&heaps[self], size);

	block[1] = size;
	block[0] = stamp(block);
	if (size > 2 * sizeof(*block))
		block[size / sizeof(*block) - 1] = block[0];
	return block;
}

static void check_and_free(size_t *block)
{
	if (!block)
		return;
	expect(block[0] == stamp(block));
	if (block[1] > 2 * sizeof(*block))
		expect(block[block[1] / sizeof(*block) - 1] == block[0]);
	block[0] = 0;
	arn_free(block);
}

static void swap_some(unsigned self, struct rng *rng)
{
	for (unsigned i = 0; i < 400; i++)
		check_and_free(
			atomic_exchange(&boxes[rng_below(rng, BOXES)], make_block(self, rng)));
}

/*
 * The threads come to a standstill again and again, because a block that is forgotten now may be
 * found by chance later.
 */
static void swap_blocks(unsigned self)
{
	struct rng rng = rng_start(self);

	for (long i = tap_scale(40); i > 0; i--) {
		swap_some(self, &rng);
		barrier();
		for (unsigned k = self; k < BOXES; k += WORKERS)
			check_and_free(atomic_exchange(&boxes[k], NULL));
		remote_flush();
		barrier();
		remote_drain_all(heaps[self].heap);
		cache_flush(heaps[self].heap);
		expect(is_settled(heaps[self].heap));
		barrier();
	}
}

static void test_swap(unsigned tag, unsigned one_in)
{
	for (unsigned i = 0; i < WORKERS; i++)
		arn_heap_init(&heaps[i], family, tag);
	yield_start(tap_seed(), one_in);
	threads(WORKERS, swap_blocks);
	yield_start(0, 0);
	no_errors("tag %u, a pause in %u steps: all blocks whole and home, all pools gone", tag,
	          one_in);
	for (unsigned i = 0; i < WORKERS; i++)
		arn_heap_abandon(&heaps[i]);
}

int main(void)
{
	family = arn_family_new(NULL);
	test_home(ARN_TAG_MEM, 48, "mem");
	test_home(ARN_TAG_GC, 48, "gc");
	test_home(ARN_TAG_OBJECT, 5000, "object");
	test_home(ARN_TAG_GC_PRE, 100000, "large");
	test_release_queued("remote_push");
	test_release_queued("remote_notify");
	test_lost_wake_up();
	test_swap(ARN_TAG_GC, 8);
	test_swap(ARN_TAG_GC, 100);
	test_swap(ARN_TAG_MEM, 30);
	return done();
}
