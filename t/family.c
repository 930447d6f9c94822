/* SPDX-License-Identifier: MIT
 *
 * family - heaps change hands: each in one pair of hands at a time, with all of its blocks, and no more heaps
 * than were ever needed at once.
 */
#include "core.h"

#include "cache.h"
#include "meta.h"
#include "remote.h"

enum { WORKERS = 4, BOXES = 32 };

static arn_family *family;
static _Atomic(size_t *) boxes[BOXES];

static size_t count_heaps(arn_family *of)
{
	size_t n = 0;

	for (struct heap *heap = load_acquire(&of->x_heaps); heap; heap = heap->next)
		n++;
	return n;
}

/* ---- one thread ----------------------------------------------------------------------------------------- */

static void test_hand_over(void)
{
	struct heap *a = family_adopt(family, ARN_TAG_GC), *b = family_adopt(family, ARN_TAG_GC);

	ok(a && b && a != b && load_relaxed(&a->x_owner) == owner_self(), "adopted heaps are ours");
	family_abandon(a);
	ok(load_relaxed(&a->x_owner) == 0, "abandoned ones nobody's");
	ok(family_adopt(family, ARN_TAG_OBJECT) != a, "a tag does not adopt another's");
	ok(family_adopt(arn_family_new(NULL), ARN_TAG_GC) != a, "a family does not adopt another's");
	ok(family_adopt(family, ARN_TAG_GC) == a && count_heaps(family) == 3, "the next of its kind gets it");
	family_abandon(a);
	family_abandon(b);
}

/* The stock of an orphan: its cache is warm, its blocks can be freed, and are home when it is adopted. */
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
	ok(arn_heap_malloc(&second, 100) == cached && second.heap == heap, "who adopts finds the cache as it was");
	arn_free(cached);
	remote_drain(heap);
	cache_flush(heap);
	ok(heap_is_valid(heap) && load_relaxed(&heap->x_pools) == 0, "and takes in what was freed meanwhile");
	arn_heap_abandon(&second);
}

/* Whoever frees to an orphan looks after it now and then: it does not sit on memory that others freed. */
static void test_tidy(void)
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
	ok(load_relaxed(&heap->x_pools) == array_length(block) / 8, "%zu pools", load_relaxed(&heap->x_pools));
	arn_heap_abandon(&orphan);
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
	ok(load_relaxed(&heap->x_pools) <= 16, "an orphan keeps %zu of them", load_relaxed(&heap->x_pools));
	family_tidy(heap);
	ok(load_relaxed(&heap->x_pools) == 0 && heap_is_valid(heap) && load_relaxed(&heap->x_owner) == OWNER_NONE,
	   "the rest goes when it is tidied, and it stays an orphan");
}

/* ---- many threads --------------------------------------------------------------------------------------- */

static _Atomic size_t x_in_hand, x_most;

/* While a heap is ours nobody else has it: a plain field, of no use to a heap without waiting pools, has our mark. */
static void hold(struct heap *heap, struct rng *rng)
{
	size_t mark = rng_next(rng);
	size_t in_hand = add_relaxed(&x_in_hand, 1) + 1, most = load_relaxed(&x_most);

	while (most < in_hand && !cas_acquire(&x_most, &most, in_hand))
		;
	expect(load_relaxed(&heap->x_owner) == owner_self());
	heap->wait_last = (struct pool *)mark;
	for (size_t n = rng_below(rng, 4); n > 0; n--)
		arn_yield_point("test_hold");
	expect(heap->wait_last == (struct pool *)mark && load_relaxed(&heap->x_owner) == owner_self());
	heap->wait_last = NULL;
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
			family_tidy(heap);
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

/* Blocks live on while their heaps go from thread to thread and are used by all. */
static void use_heaps(unsigned self)
{
	struct rng rng = rng_start(10 + self);
	arn_heap handle;

	arn_heap_init(&handle, family, ARN_TAG_GC);
	for (long i = tap_scale(12000); i > 0; i--) {
		size_t size = rng_below(&rng, 10) ? 16 + rng_below(&rng, 300) : 16 + rng_below(&rng, 100000);
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
	expect(heap_is_valid(heap) && load_relaxed(&heap->x_pools) == 0 && !load_relaxed(&heap->x_pending));
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

/* ---- states that end, and others that begin at their address ------------------------------------------- */

static uint64_t goal(size_t bytes)
{
	(void)bytes;
	return 1;
}

static bool reached(uint64_t wanted)
{
	(void)wanted;
	return true;
}

static const struct arn_provider provider = { .goal = goal, .reached = reached };

enum { STATES = 30, BLOCKS = 400 };

static bool count_visits(const arn_heap *heap, const struct arn_area *area, void *block, size_t size, void *arg)
{
	(void)heap;
	(void)size;
	*(size_t *)arg += block ? 0 : area->used;
	return true;
}

static size_t used_by(arn_family *of, const arn_heap *handle)
{
	size_t used = 0;

	arn_family_visit_orphans(of, (enum arn_tag)handle->tag, true, count_visits, &used);
	arn_heap_visit(handle, true, count_visits, &used);
	return used;
}

/* It leaves a block of each tag; all of them are of the classes that have caches. */
static arn_family *live_and_end(const void *at, bool is_first)
{
	arn_family *of = arn_family_at(&provider, at);
	static void *block[BLOCKS];
	arn_heap handle;

	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		arn_heap_init(&handle, of, (enum arn_tag)tag);
		for (unsigned i = 0; i < 40 * BLOCKS; i++) {
			if (i >= BLOCKS)
				arn_free(block[i % BLOCKS]);
			block[i % BLOCKS] = arn_heap_malloc(&handle, 200);
		}
		for (unsigned i = 1; i < BLOCKS; i++)
			arn_free(block[i]);
		expect(used_by(of, &handle) == 1 || is_first);
		arn_heap_abandon(&handle);
	}
	return of;
}

static void test_states(void)
{
	static const int state;
	arn_family *of = live_and_end(&state, true);
	size_t heaps = count_heaps(of), bytes;
	char *before = meta_take(CACHE_LINE, CACHE_LINE);

	for (unsigned i = 0; i < STATES; i++)
		expect(live_and_end(&state, false) == of);
	no_errors("what ended states have left is neither counted nor walked");
	ok(count_heaps(of) == heaps + 2 * STATES, "each state that leaves blocks in all heaps costs two: %zu after %zu",
	   count_heaps(of), heaps);
	bytes = (size_t)((char *)meta_take(CACHE_LINE, CACHE_LINE) - before);
	ok(bytes <= (2 * STATES + 1) * (sizeof(struct heap) + CACHE_LINE),
	   "and no more arrays of a pool cache: %zu bytes of records", bytes);
}

int main(void)
{
	family = arn_family_new(NULL);
	test_hand_over();
	test_warm();
	test_tidy();
	test_exclusive(4);
	test_exclusive(100);
	test_use(10);
	test_use(100);
	test_states();
	return done();
}
