/* SPDX-License-Identifier: MIT
 *
 * owner - a heap belongs to a thread, and not to a later thread that has the same thread pointer.
 * Threads end and leave handles behind, new threads begin on their stacks, and handles go from one
 * thread to another.
 */
#include "support/core.h"

#include "heap/cache.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "heap/heap.h"

#include <sched.h>

enum { BLOCKS = 200, SIZE = 100, ROUNDS = 60 };

static arn_heap handle, other;
static void *blocks[BLOCKS], *young[BLOCKS];
static uintptr_t ended, begun;
static size_t cached;
static atomic_uint dropped;

static void fill(arn_heap *from, void **to)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		to[i] = arn_heap_malloc(from, SIZE);
		*(void **)to[i] = to[i];
	}
}

/* Free all blocks.  Each must be whole, and must not have been freed by another thread. */
static void drop(void **from)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		expect(*(void **)from[i] == from[i]);
		*(void **)from[i] = NULL;
		arn_free(from[i]);
		atomic_fetch_add(&dropped, 1);
	}
}

static size_t count_cached(const arn_heap *of)
{
	size_t n = 0;

	for (unsigned cls = 0; cls < CLASSES; cls++)
		n += cache_count(of->heap, cls);
	return n;
}

static void settle_heap(struct heap *heap)
{
	remote_drain(heap);
	cache_flush(heap);
	expect(heap_is_valid(heap) && heap_out_blocks(heap) == 0);
}

static void *fill_and_end(void *arg)
{
	ended = thread_id();
	fill(&handle, blocks);
	return arg;
}

/* Run this in a thread, or in the next one on the same stack. */
static void in_a_thread(void *(*body)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, NULL);
	pthread_join(thread, NULL);
}

/* ---- a new thread on the stack of one that has ended ----------------------------------------- */

static void *free_as_another(void *arg)
{
	begun = thread_id();
	cached = count_cached(&handle);
	drop(blocks);
	expect(count_cached(&handle) == cached);
	return arg;
}

static void test_stack_again(void)
{
	struct heap *heap;

	arn_heap_init(&handle, NULL, ARN_TAG_GC);
	in_a_thread(fill_and_end);
	heap = handle.heap;
	in_a_thread(free_as_another);
	if (begun != ended)
		note("the system has not given the same stack again: this shows nothing");
	no_errors("a thread that has the thread pointer of an ended one does not own its heap");
	ok(load_relaxed(&heap->x_pending) != NULL, "and frees to it as any other does");
	fill(&handle, blocks);
	ok(handle.heap == heap && load_relaxed(&heap->x_owner) == owner_self(),
	   "who goes on with the handle of an ended thread owns the heap");
	drop(blocks);
	arn_heap_abandon(&handle);
	no_errors("and finds all blocks");
}

/*
 * The handle is abandoned in the middle of the frees, as the header allows, and the next thread
 * adopts the heap.
 */
static void *free_beside(void *arg)
{
	barrier();
	drop(blocks);
	return arg;
}

static void abandon_and_use_beside(unsigned some)
{
	pthread_t thread;

	atomic_store(&dropped, 0);
	pthread_barrier_init(&core_barrier, NULL, 2);
	pthread_create(&thread, NULL, free_beside, NULL);
	barrier();
	while (atomic_load(&dropped) < some)
		sched_yield();
	arn_heap_abandon(&handle);
	fill(&other, young);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&core_barrier);
	drop(young);
}

static void test_abandoned_later(unsigned one_in)
{
	yield_start(tap_seed(), one_in);
	for (long i = tap_scale(ROUNDS); i > 0; i--) {
		/* new heaps have no caches: each free is a slow one */
		arn_family *family = arn_family_new(NULL);
		struct heap *heap;

		arn_heap_init(&handle, family, ARN_TAG_GC);
		arn_heap_init(&other, family, ARN_TAG_GC);
		in_a_thread(fill_and_end);
		heap = handle.heap;
		abandon_and_use_beside((unsigned)i % (BLOCKS / 2));
		expect(other.heap == heap);
		settle_heap(heap);
		arn_heap_abandon(&other);
	}
	yield_start(0, 0);
	no_errors("a pause in %u steps: abandoned beside frees by a thread on the same stack, no "
	          "block is used twice",
	          one_in);
}

/* ---- handles that move ----------------------------------------------------------------------- */

static void *go_on(void *arg)
{
	barrier();
	fill(&handle, young);
	drop(young);
	arn_heap_pass(&handle);
	return arg;
}

static void pass_and_free(void)
{
	pthread_t thread;

	pthread_barrier_init(&core_barrier, NULL, 2);
	pthread_create(&thread, NULL, go_on, NULL);
	fill(&handle, blocks);
	arn_heap_pass(&handle);
	barrier();
	drop(blocks);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&core_barrier);
}

static void test_passed(unsigned one_in)
{
	struct heap *heap;
	void *kept;

	arn_heap_init(&handle, NULL, ARN_TAG_GC);
	kept = arn_heap_malloc(&handle, SIZE);
	heap = handle.heap;
	yield_start(tap_seed(), one_in);
	for (long i = tap_scale(ROUNDS); i > 0; i--)
		pass_and_free();
	yield_start(0, 0);
	no_errors(
		"a pause in %u steps: one frees while the one that it passed the handle to goes on",
		one_in);
	ok(handle.heap == heap, "it is the same heap all the time");
	ok(__atomic_load_n(arn_owner(kept), __ATOMIC_RELAXED) == 0,
	   "between two threads it has no owner");
	arn_free(kept);
	settle_heap(heap);
	no_errors("and is whole");
	arn_heap_abandon(&handle);
	ok(load_relaxed(&heap->x_owner) == OWNER_NONE, "and can be abandoned");
	arn_heap_pass(&handle);
	ok(handle.heap == &heap_none,
	   "a handle without a heap can be passed on, and nothing comes of it");
}

static void *pass_what_is_not_ours(void *arg)
{
	arn_heap_pass(&handle);
	return arg;
}

static void test_passed_by_another(void)
{
	arn_heap_init(&handle, NULL, ARN_TAG_GC);
	fill(&handle, blocks);
	in_a_thread(pass_what_is_not_ours);
	ok(load_relaxed(&handle.heap->x_owner) == owner_self(),
	   "a thread passes on what it owns, and nothing else");
	drop(blocks);
	arn_heap_abandon(&handle);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static uintptr_t numbers[3];

static void draw(unsigned self)
{
	arn_mem_free(arn_mem_malloc(SIZE));
	numbers[self] = owner_self();
	expect(owner_draw() == numbers[self]);
}

static void test_numbers(void)
{
	threads(2, draw);
	numbers[2] = numbers[0];
	threads(1, draw);
	no_errors("a thread has one number");
	ok(numbers[0] != numbers[1] && numbers[0] != numbers[2] && numbers[1] != numbers[2],
	   "which no other ever has");
}

int main(void)
{
	test_stack_again();
	test_abandoned_later(5);
	test_abandoned_later(50);
	test_passed(5);
	test_passed(50);
	test_passed_by_another();
	test_numbers();
	return done();
}
