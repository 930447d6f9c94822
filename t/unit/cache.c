/* SPDX-License-Identifier: MIT
 *
 * cache - ready blocks: none is handed out twice, there are never more than the budget allows, and
 * after a flush all are in their pools.
 */
#include "support/core.h"

#include "heap/cache.h"
#include "base/option.h"
#include "heap/remote.h"
#include "heap/heap.h"

enum { WORKERS = 4, MANY = 3000, HELD = 600 };

static arn_family *family;
static void *blocks[MANY];

static void start(arn_heap *handle)
{
	arn_heap_init(handle, family, ARN_TAG_MEM);
	arn_free(arn_heap_malloc(handle, 16));
	cache_flush(handle->heap);
}

static size_t cached_bytes(const struct heap *heap)
{
	size_t bytes = 0;

	for (unsigned cls = 0; cls < CLASSES; cls++)
		bytes += cache_count(heap, cls) * sizeclasses[cls].size;
	return bytes;
}

/* A sixteenth of the budget for each class, but at least two blocks of it. */
static size_t most_cached(void)
{
	size_t bytes = 0;

	for (unsigned cls = 0; cls < CLASSES; cls++)
		bytes += max_size(option(OPTION_CACHE) / 16, 2 * sizeclasses[cls].size);
	return bytes;
}

static bool is_empty(struct heap *heap)
{
	cache_flush(heap);
	return heap_is_valid(heap) && cached_bytes(heap) == 0 && load_relaxed(&heap->x_pools) == 0;
}

static int compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return (x > y) - (x < y);
}

static void make_and_free(arn_heap *handle, size_t size, size_t n)
{
	for (size_t i = 0; i < n; i++)
		blocks[i] = arn_heap_malloc(handle, size);
	qsort(blocks, n, sizeof(*blocks), compare);
	for (size_t i = 1; i < n; i++)
		expect((char *)blocks[i - 1] + size <= (char *)blocks[i]);
	expect(heap_is_valid(handle->heap));
	for (size_t i = 0; i < n; i++)
		arn_free(blocks[i]);
	expect(heap_is_valid(handle->heap));
}

/* A class has at most a sixteenth of the budget, whatever has happened before. */
static void test_budget(const char *budget)
{
	arn_heap handle;

	option_parse(OPTION_CACHE, budget);
	family = arn_family_new(NULL);
	start(&handle);
	for (unsigned cls = 0; cls < CLASSES; cls++) {
		size_t size = sizeclasses[cls].size, share = option(OPTION_CACHE) / 16;

		make_and_free(&handle, size, size > 8192 ? 60 : 400);
		expect(cache_count(handle.heap, cls) <= (share ? max_size(2, share / size) : 0));
		expect(share < 4 * size || cache_count(handle.heap, cls) > 0);
	}
	no_errors("budget %s: blocks are distinct, and what is kept is within it: %zu KiB", budget,
	          cached_bytes(handle.heap) / KIB);
	ok(is_empty(handle.heap), "budget %s: a flush empties bins and pools", budget);
	arn_heap_abandon(&handle);
}

/* A bin that is used grows through all levels, and the blocks in it move along. */
static void test_growth(void)
{
	arn_heap handle;
	unsigned level = 0;

	start(&handle);
	for (unsigned i = 0; i < 60; i++) {
		struct bin *bin = &handle.heap->bin[sizeclass_of(64)];

		make_and_free(&handle, 64, 500);
		expect(bin->level >= level && bin->level < LEVELS);
		expect(bin->limit - load_relaxed(&bin->x_base) <= bin->cap);
		level = bin->level;
	}
	ok(level == LEVELS - 1, "a bin that is much used has level %u", level);
	ok(handle.heap->bin[sizeclass_of(4000)].level == 0, "one that is not used has level 0");
	no_errors("levels only rise");
	ok(is_empty(handle.heap), "all blocks are there");
	arn_heap_abandon(&handle);
}

static bool has_array(const arn_heap *handle, size_t size)
{
	return handle->heap->bin[sizeclass_of(size)].level > 0;
}

/* Hundreds of heaps, most of them of idle threads: a class that was used a little has no ready
 * blocks there.  A heap that goes on does not come to a slow path at each call of all its classes.
 */
static void test_many_heaps(void)
{
	enum { OTHERS = 300, LITTLE = 50, BUSY = 700 };
	static arn_heap other[OTHERS];
	arn_heap handle;
	unsigned before;

	for (unsigned i = 0; i < OTHERS; i++)
		start(&other[i]);
	start(&handle);
	make_and_free(&handle, 64, LITTLE);
	ok(!has_array(&handle, 64), "among many heaps a class that was used little has no bin");
	make_and_free(&handle, 64, BUSY);
	before = load_relaxed(&handle.heap->x_slow_paths);
	for (size_t size = 200; size < 1000; size += 200)
		for (unsigned i = 0; i < 500; i++)
			arn_free(arn_heap_malloc(&handle, size));
	ok(has_array(&handle, 800) && load_relaxed(&handle.heap->x_slow_paths) - before < 400,
	   "of 4000 calls of a heap that goes on %u are slow paths",
	   load_relaxed(&handle.heap->x_slow_paths) - before);
	ok(is_empty(handle.heap), "all blocks are there");
	arn_heap_abandon(&handle);
	for (unsigned i = 0; i < OTHERS; i++)
		arn_heap_abandon(&other[i]);
}

static void test_order(void)
{
	arn_heap handle;
	void *a, *b;

	start(&handle);
	for (unsigned i = 0; i < 10; i++) /* a class that is rarely used has no cache */
		make_and_free(&handle, 100, 10);
	cache_flush(handle.heap);
	a = arn_heap_malloc(&handle, 100);
	b = arn_heap_malloc(&handle, 100);
	ok((char *)a < (char *)b, "fresh blocks come in the order of their addresses");
	arn_free(a);
	arn_free(b);
	ok(arn_heap_malloc(&handle, 100) == b && arn_heap_malloc(&handle, 100) == a,
	   "last freed, first served");
	arn_free(a);
	arn_free(b);
	arn_free(arn_heap_malloc(&handle, 1000000));
	ok(is_empty(handle.heap), "large blocks are not cached");
	arn_heap_abandon(&handle);
}

struct held {
	size_t *block;
	size_t size;
};

static void drop(struct held *held)
{
	if (!held->block)
		return;
	expect(held->block[0] == (size_t)held && held->block[held->size / 8 - 1] == (size_t)held);
	arn_free(held->block);
	held->block = NULL;
}

/* Use every class, in bursts, so that bins fill and run dry. */
static void churn(unsigned self)
{
	struct rng rng = rng_start(self);
	struct held *held = calloc(HELD, sizeof(*held));
	arn_heap handle;

	start(&handle);
	for (long i = tap_scale(150); i > 0; i--) {
		size_t burst = rng_below(&rng, 200);
		size_t size = 16 + rng_below(&rng, sizeclasses[rng_below(&rng, CLASSES)].size);

		for (size_t k = 0; k < burst; k++) {
			struct held *h = &held[rng_below(&rng, HELD)];

			drop(h);
			h->size = size & ~(size_t)7;
			h->block = arn_heap_malloc(&handle, h->size);
			h->block[0] = h->block[h->size / 8 - 1] = (size_t)h;
		}
		for (size_t k = rng_below(&rng, 200); k > 0; k--)
			drop(&held[rng_below(&rng, HELD)]);
		expect(heap_is_valid(handle.heap) && cached_bytes(handle.heap) <= most_cached());
	}
	for (size_t k = 0; k < HELD; k++)
		drop(&held[k]);
	expect(is_empty(handle.heap));
	arn_heap_abandon(&handle);
	free(held);
}

int main(void)
{
	test_budget("0");
	test_budget("16K");
	test_budget("512K");
	test_budget("64M");
	option_parse(OPTION_CACHE, "512K");
	family = arn_family_new(NULL);
	test_growth();
	test_order();
	threads(WORKERS, churn);
	no_errors("threads with a heap each, on all classes: blocks whole, budgets kept");
	test_many_heaps();
	return done();
}
