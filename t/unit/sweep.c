/* SPDX-License-Identifier: MIT
 *
 * sweep - pages without a live block go back from pools that are in use, and no page with a live
 * block does.
 */
#include "support/core.h"

#include "heap/cache.h"
#include "base/option.h"
#include "os/os.h"
#include "heap/remote.h"
#include "arena/retain.h"
#include "heap/sweep.h"
#include "heap/heap.h"

enum { MANY = 8000, WORKERS = 4, BOXES = 4000 };

static size_t *block[MANY];

/* Write to every word of a block to which block it belongs. */
static void mark(size_t *at, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*at); i++)
		at[i] = (size_t)at ^ size;
}

static bool is_marked(const size_t *at, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*at); i++)
		if (at[i] != ((size_t)at ^ size))
			return false;
	return true;
}

static size_t resident_of(const struct heap *heap)
{
	static unsigned char pages[SLICE * 8 / PAGE_MIN];
	size_t page = os_page_size(), n = 0;

	for (const struct pool *pool = heap->all_first; pool; pool = pool->all_next) {
		expect(os_resident(pool->base, pool_span(pool), pages) == 0);
		for (size_t i = 0; i < pool_span(pool) / page; i++)
			n += pages[i] & 1;
	}
	return n * page;
}

/* Pages may be so large that few of them have no live block: then only the blocks are looked at. */
static bool has_large_pages(void)
{
	return os_page_size() > PAGE_MIN;
}

static void keep_nothing(void)
{
	option_values[OPTION_RETAIN] = option_values[OPTION_RETAIN_PERCENT] = 0;
	retain_forget();
}

/* ---- one thread ------------------------------------------------------------------------------ */

static void fill(arn_heap *handle, size_t size)
{
	for (size_t i = 0; i < MANY; i++)
		if (!block[i] && (block[i] = arn_heap_malloc(handle, size)) != NULL)
			mark(block[i], size);
}

/* Drop all blocks but one in `one_in`; 0: all of them. */
static void drop_but(size_t one_in, size_t size)
{
	for (size_t i = 0; i < MANY; i++) {
		if (!block[i])
			continue;
		expect(is_marked(block[i], size));
		if (one_in && i % one_in == 0)
			continue;
		arn_free(block[i]);
		block[i] = NULL;
	}
}

static size_t after_a_drop(struct heap *heap, size_t one_in, size_t size)
{
	drop_but(one_in, size);
	cache_flush(heap);
	sweep_all(heap);
	expect(heap_is_valid(heap));
	return resident_of(heap);
}

/* The blocks that stay are so far from each other that most pages have none. */
static void test_size(size_t size, size_t one_in, unsigned percent)
{
	arn_heap handle;
	size_t full, swept;

	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	fill(&handle, size);
	full = resident_of(handle.heap);
	swept = after_a_drop(handle.heap, one_in, size);
	ok(swept <= full / 100 * percent || has_large_pages(),
	   "%zu bytes, one in %zu stays: %zu of %zu KiB are resident", size, one_in, swept / KIB,
	   full / KIB);
	fill(&handle, size);
	expect(heap_is_valid(handle.heap));
	full = after_a_drop(handle.heap, one_in, size);
	ok(full <= swept + 64 * KIB || has_large_pages(),
	   "and no more after a second time: %zu KiB", full / KIB);
	drop_but(0, size);
	arn_heap_abandon(&handle);
	no_errors("%zu bytes: blocks are whole", size);
}

/* Without a call of trim, what is unswept stays within the budget while blocks fall free. */
static void test_budget(void)
{
	arn_heap handle;
	size_t unswept, ready;

	option_values[OPTION_RETAIN] = 2 * MIB;
	retain_forget();
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	fill(&handle, 512);
	drop_but(20, 512);
	unswept = load_relaxed(&handle.heap->x_unswept);
	ok(unswept <= MIB, "of 4 MiB that fell free, %zu KiB are unswept", unswept / KIB);
	ready = cache_count(handle.heap, sizeclass_of(512));
	ok(ready <= LEVEL1 || has_large_pages(), "and %zu blocks are ready", ready);
	drop_but(0, 512);
	arn_heap_abandon(&handle);
	no_errors("blocks are whole");
	keep_nothing();
}

/* The runs of pages that lie between blocks go back together, not one by one. */
static void test_calls(void)
{
	arn_heap handle;
	size_t calls, swept;

	option_values[OPTION_RETAIN] = 1024 * MIB;
	retain_forget();
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	fill(&handle, 5000);
	drop_but(8, 5000);
	calls = load_relaxed(&arena_counters.x_purges);
	swept = sweep_all(handle.heap);
	calls = load_relaxed(&arena_counters.x_purges) - calls;
	if (os_joins_ranges() && !has_large_pages())
		ok(swept / calls >= 512 * KIB, "%zu KiB go back in %zu calls", swept / KIB, calls);
	else
		skip(1, "the system takes one run of pages in each call");
	drop_but(0, 5000);
	arn_heap_abandon(&handle);
	no_errors("blocks are whole");
	keep_nothing();
}

static size_t cache;

/* Of a tag whose heaps have had none before. */
static void begin_without_cache(arn_heap *handle)
{
	cache = option_values[OPTION_CACHE];
	option_values[OPTION_CACHE] = 0;
	arn_heap_init(handle, NULL, ARN_TAG_OBJECT);
}

static void end_without_cache(arn_heap *handle)
{
	arn_heap_abandon(handle);
	option_values[OPTION_CACHE] = cache;
}

/* One block is taken from a page that had gone back, and comes home: that page goes again. */
static void test_page(void)
{
	size_t swept, after, *held[16], n = 0;
	arn_heap handle;

	begin_without_cache(&handle);
	fill(&handle, 512);
	swept = after_a_drop(handle.heap, 100, 512);
	do /* the first ones may have room beside a block that has stayed */
		*(held[n] = arn_heap_malloc(&handle, 512)) = n;
	while (++n < array_length(held) && resident_of(handle.heap) == swept);
	expect(resident_of(handle.heap) == swept + os_page_size() || has_large_pages());
	arn_free(held[--n]);
	sweep_all(handle.heap);
	after = resident_of(handle.heap);
	ok(after == swept || has_large_pages(),
	   "a page that was touched for one block goes again: %zu KiB, %zu before", after / KIB,
	   swept / KIB);
	while (n > 0)
		arn_free(held[--n]);
	drop_but(0, 512);
	end_without_cache(&handle);
}

/* A pool is begun on slices that have pages, and hardly used. */
static void test_begun(void)
{
	arn_heap first, second;
	size_t *held;

	option_values[OPTION_RETAIN] = 64 * MIB;
	begin_without_cache(&first);
	fill(&first, 512);
	drop_but(0, 512);
	arn_heap_init(&second, NULL, ARN_TAG_OBJECT);
	held = arn_heap_malloc(&second, 512);
	expect(resident_of(second.heap) == SLICE);
	sweep_all(second.heap);
	ok(resident_of(second.heap) <= os_page_size(),
	   "what a new pool has of pages it does not need goes: %zu KiB stay",
	   resident_of(second.heap) / KIB);
	arn_free(held);
	arn_heap_abandon(&second);
	end_without_cache(&first);
	keep_nothing();
	no_errors("its slices had pages");
}

/* ---- many threads ---------------------------------------------------------------------------- */

static _Atomic(size_t *) boxes[BOXES];

/* Check and free a block, whose size is in its first word. */
static void check_and_free(size_t *taken)
{
	size_t size = taken ? taken[0] : 0;

	if (!taken)
		return;
	taken[0] = (size_t)taken ^ size;
	expect(is_marked(taken, size));
	arn_free(taken);
}

static void swap(unsigned self)
{
	struct rng rng = rng_start(self);

	for (long i = tap_scale(60000); i > 0; i--) {
		size_t size = 16 + rng_below(&rng, rng_below(&rng, 50) ? 600 : 9000),
		       *made = arn_mem_malloc(size);

		expect(made);
		mark(made, size);
		made[0] = size;
		check_and_free(atomic_exchange(&boxes[rng_below(&rng, BOXES)], made));
		/* now and then nearly everything goes */
		if (rng_below(&rng, 20000) == 0)
			for (unsigned k = 0; k < BOXES; k++)
				if (rng_below(&rng, 10))
					check_and_free(atomic_exchange(&boxes[k], NULL));
	}
}

static void test_threads(unsigned one_in)
{
	yield_start(tap_seed(), one_in);
	threads(WORKERS, swap);
	yield_start(0, 0);
	for (unsigned k = 0; k < BOXES; k++)
		check_and_free(atomic_exchange(&boxes[k], NULL));
	no_errors("a pause in %u steps: threads free each other's blocks, and every block is whole",
	          one_in);
}

int main(void)
{
	keep_nothing();
	test_size(512, 20, 45);
	test_size(96, 200, 45);
	test_size(1000, 20, 35);
	test_size(5000, 20, 20);
	test_size(12000, 20, 20);
	test_size(40000, 20, 20);
	test_budget();
	test_calls();
	test_page();
	test_begun();
	test_threads(100);
	return done();
}
