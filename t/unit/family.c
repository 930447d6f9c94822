/* SPDX-License-Identifier: MIT
 *
 * family - heaps change hands: one thread at a time has a heap, with all of its blocks, and there
 * are no more heaps than were ever needed at once.
 */
#include "support/core.h"
#include "support/heaps.h"

#include "heap/cache.h"
#include "heap/remote.h"
#include "heap/family.h"
#include "heap/heap.h"

enum { WORKERS = 4, BOXES = 32 };

static arn_family *family;
static _Atomic(size_t *) boxes[BOXES];

/* ---- one thread ------------------------------------------------------------------------------ */

static void test_hand_over(void)
{
	struct heap *a = family_adopt(family, ARN_TAG_GC), *b = family_adopt(family, ARN_TAG_GC);

	ok(a && b && a != b && load_relaxed(&a->x_owner) == owner_self(), "adopted heaps are ours");
	family_abandon(a);
	ok(load_relaxed(&a->x_owner) == 0, "abandoned ones nobody's");
	ok(family_adopt(family, ARN_TAG_OBJECT) != a, "a tag does not adopt another's");
	ok(family_adopt(arn_family_new(NULL), ARN_TAG_GC) != a,
	   "a family does not adopt another's");
	ok(family_adopt(family, ARN_TAG_GC) == a && count_heaps(family) == 3,
	   "the next of its kind gets it");
	family_abandon(a);
	family_abandon(b);
}

/* An orphan keeps its cache.  Its blocks can be freed, and are home when it is adopted. */
static void test_warm(void)
{
	arn_family *own = arn_family_new(NULL);
	arn_heap first, second;
	struct heap *heap;
	void *kept, *cached;

	arn_heap_init(&first, own, ARN_TAG_GC);
	arn_heap_init(&second, own, ARN_TAG_GC);
	kept = arn_heap_malloc(&first, 100);
	for (unsigned i = 0; i < 20; i++) { /* a class that is rarely used has no cache */
		cached = arn_heap_malloc(&first, 100);
		arn_free(cached);
	}
	heap = first.heap;
	arn_heap_abandon(&first);
	arn_free(kept);
	ok(load_relaxed(&heap->x_pending) != NULL, "a block of an orphan is freed remotely");
	ok(arn_heap_malloc(&second, 100) == cached && second.heap == heap,
	   "who adopts finds the cache as it was");
	arn_free(cached);
	remote_drain(heap);
	cache_flush(heap);
	ok(heap_is_valid(heap) && load_relaxed(&heap->x_pools) == 0,
	   "and takes in what was freed meanwhile");
	arn_heap_abandon(&second);
}

/*
 * Whoever frees to an orphan drains it after each 8 pools that are queued there, so that it does
 * not keep memory that others have freed.
 */
static void test_drain_orphan(void)
{
	arn_family *own = arn_family_new(NULL);
	arn_heap orphan;
	struct heap *heap;
	void *block[400];

	arn_heap_init(&orphan, own, ARN_TAG_GC);
	for (unsigned i = 0; i < array_length(block); i++)
		block[i] = arn_heap_malloc(&orphan, 60000);
	heap = orphan.heap;
	cache_flush(heap);
	ok(load_relaxed(&heap->x_pools) == array_length(block) / 8, "%zu pools",
	   load_relaxed(&heap->x_pools));
	arn_heap_abandon(&orphan);
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
	ok(load_relaxed(&heap->x_pools) <= 8, "an orphan keeps %zu of them",
	   load_relaxed(&heap->x_pools));
	family_drain_orphan(heap);
	ok(load_relaxed(&heap->x_pools) == 0 && heap_is_valid(heap) &&
	           load_relaxed(&heap->x_owner) == OWNER_NONE,
	   "the rest goes when it is drained, and it stays an orphan");
}

enum { ENDED = 130, READY = 100, EACH = 400, USES = 3000 };

/* As many threads as end at once, each with heaps of its own: blocks in its cache, blocks that
 * another thread has freed to it, and one that is still in use. */
static void use_for_long(arn_heap *handle, void **in_use)
{
	void *block[EACH];

	for (unsigned i = 0; i < USES; i++)
		arn_free(arn_heap_malloc(handle, 100));
	for (unsigned i = 0; i < EACH; i++)
		block[i] = arn_heap_malloc(handle, 100);
	for (unsigned i = 0; i < EACH; i++)
		arn_free(block[i]);
	*in_use = arn_heap_malloc(handle, 100);
}

static size_t cached_blocks(const struct heap *heap)
{
	size_t n = 0;

	for (unsigned cls = 0; cls < CLASSES; cls++)
		n += cache_count(heap, cls);
	return n;
}

/* Some orphans stay as they were left, ready for the next threads.  Where there are more, those
 * that come then keep nothing but what is in use. */
static void test_many_end(void)
{
	arn_family *own = arn_family_new(NULL);
	arn_heap handle[ENDED];
	struct heap *heap[ENDED];
	void *in_use[ENDED];
	unsigned ready = 0, full = 0;

	for (unsigned i = 0; i < ENDED; i++) {
		arn_heap_init(&handle[i], own, ARN_TAG_MEM);
		use_for_long(&handle[i], &in_use[i]);
		heap[i] = handle[i].heap;
	}
	for (unsigned i = 0; i < ENDED; i++)
		arn_heap_abandon(&handle[i]);
	for (unsigned i = 0; i < ENDED; i++)
		*(i < READY ? &ready : &full) += cached_blocks(heap[i]) > 0;
	ok(ready == READY && full == 0, "%u of %u orphans keep their caches, %u of %u others",
	   ready, READY, full, ENDED - READY);
	for (unsigned i = 0; i < ENDED; i++)
		arn_free(in_use[i]);
	arn_heap_init(&handle[0], own, ARN_TAG_MEM);
	arn_free(arn_heap_malloc(&handle[0], 100));
	ok(cached_blocks(handle[0].heap) > 0, "and the next thread adopts one that is ready");
	arn_heap_abandon(&handle[0]);
}

/* ---- many threads ---------------------------------------------------------------------------- */

static _Atomic size_t x_in_hand, x_most;

/*
 * While this thread has the heap no other has it: a plain field, which a heap without pools to
 * sweep does not use, has this thread's mark.
 */
static void hold(struct heap *heap, struct rng *rng)
{
	size_t mark = rng_next(rng);
	size_t in_hand = add_relaxed(&x_in_hand, 1) + 1, most = load_relaxed(&x_most);

	while (most < in_hand && !cas_acquire(&x_most, &most, in_hand))
		;
	expect(load_relaxed(&heap->x_owner) == owner_self());
	heap->sweep_last = (struct pool *)mark;
	for (size_t n = rng_below(rng, 4); n > 0; n--)
		arn_yield_point("test_hold");
	expect(heap->sweep_last == (struct pool *)mark &&
	       load_relaxed(&heap->x_owner) == owner_self());
	heap->sweep_last = NULL;
	sub_relaxed(&x_in_hand, 1);
}

static void pass_heaps(unsigned self)
{
	struct rng rng = rng_start(self);

	for (long i = tap_scale(3000); i > 0; i--) {
		struct heap *heap = family_adopt(family, ARN_TAG_GC_PRE);

		hold(heap, &rng);
		family_abandon(heap);
		if (rng_below(&rng, 8) == 0)
			family_drain_orphan(heap);
	}
}

static void test_exclusive(unsigned one_in)
{
	store_relaxed(&x_most, 0);
	yield_start(tap_seed(), one_in);
	threads(WORKERS, pass_heaps);
	yield_start(0, 0);
	no_errors("a pause in %u steps: a heap is in one pair of hands", one_in);
}

/* Blocks stay live while their heaps go from thread to thread, and all threads use them. */
static void use_heaps(unsigned self)
{
	struct rng rng = rng_start(10 + self);
	arn_heap handle;

	arn_heap_init(&handle, family, ARN_TAG_GC);
	for (long i = tap_scale(12000); i > 0; i--) {
		size_t size = rng_below(&rng, 10) ? 16 + rng_below(&rng, 300)
		                                  : 16 + rng_below(&rng, 100000);
		size_t *block = arn_heap_malloc(&handle, size);

		expect(__atomic_load_n(arn_owner(block), __ATOMIC_RELAXED) == thread_id());
		block[0] = block[1] = (size_t)block;
		block = atomic_exchange(&boxes[rng_below(&rng, BOXES)], block);
		expect(!block || (block[0] == (size_t)block && block[1] == (size_t)block));
		arn_free(block);
		if (rng_below(&rng, 16) == 0)
			arn_heap_abandon(&handle);
	}
	arn_heap_abandon(&handle);
}

static void expect_settled(struct heap *heap)
{
	remote_drain(heap);
	cache_flush(heap);
	expect(heap_is_valid(heap) && load_relaxed(&heap->x_pools) == 0 &&
	       !load_relaxed(&heap->x_pending));
}

static void test_use(unsigned one_in)
{
	size_t heaps;

	yield_start(tap_seed(), one_in);
	threads(WORKERS, use_heaps);
	yield_start(0, 0);
	no_errors("a pause in %u steps: blocks are whole wherever their heap goes", one_in);
	for (unsigned i = 0; i < BOXES; i++)
		arn_free(atomic_exchange(&boxes[i], NULL));
	for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next)
		if (heap->tag == ARN_TAG_GC)
			expect_settled(heap);
	no_errors("and go home to it");
	heaps = count_heaps(family);
	ok(heaps <= 3 + 4 * WORKERS, "no more heaps than were needed at once: %zu", heaps);
}

/* The first malloc of a process may ask for the family of the names, and call malloc meanwhile. */
static void test_names(void)
{
	unsigned families = 0, found = 0;

	family_use_names();
	family_use_names();
	for (arn_family *family = family_first(); family && families < 100; families++) {
		found += family == &family_of_names;
		family = load_acquire(&family->x_next);
	}
	ok(found == 1 && families < 100, "the family of the names is in the list once");
}

int main(void)
{
	family = arn_family_new(NULL);
	test_hand_over();
	test_warm();
	test_drain_orphan();
	test_many_end();
	test_exclusive(4);
	test_exclusive(100);
	test_use(10);
	test_use(100);
	test_names();
	return done();
}
