/* SPDX-License-Identifier: MIT
 *
 * visit - a walk meets each live block once and nothing else, whatever lies in caches, in remote
 * words, in other threads' hands or with orphans.
 */
#include "support/core.h"
#include "support/provider.h"

#include "heap/cache.h"
#include "arena/reclaim.h"
#include "heap/remote.h"
#include "heap/sweep.h"
#include "heap/thread.h"
#include "heap/heap.h"

enum { WORKERS = 4, LIVE = 700, ALL = (WORKERS + 1) * LIVE };

static arn_family *family;

/* ---- what was met ---------------------------------------------------------------------------- */

static struct {
	void *block[ALL];
	size_t count, areas, used, odd, stop_at;
	const struct arn_area *area;
} seen;

static bool is_odd(const struct arn_area *area)
{
	const struct pool *pool = pool_find(area->blocks);

	return !pool || area->blocks != pool->base || area->block_size != pool->block_size ||
	       area->full_block_size < area->block_size || area->committed > area->reserved ||
	       area->used * area->full_block_size > area->reserved ||
	       area->reserved != pool_span(pool);
}

static bool remember(const arn_heap *heap, const struct arn_area *area, void *block, size_t size,
                     void *arg)
{
	expect(arg == &seen && heap);
	if (!block) {
		seen.area = area;
		seen.areas++;
		seen.used += area->used;
		seen.odd += is_odd(area);
		return true;
	}
	seen.odd += area != seen.area || size != area->block_size ||
	            (char *)block < (char *)area->blocks ||
	            (char *)block + size > (char *)area->blocks + area->reserved;
	if (seen.count < ALL)
		seen.block[seen.count] = block;
	return ++seen.count != seen.stop_at;
}

static int compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return (x > y) - (x < y);
}

static void forget(size_t stop_at)
{
	memset(&seen, 0, sizeof(seen));
	seen.stop_at = stop_at;
}

/* Were exactly these blocks met?  NULLs in the list are for blocks that are not live. */
static bool met(void **blocks, size_t count)
{
	static void *wanted[ALL];
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (blocks[i])
			wanted[n++] = blocks[i];
	if (seen.count != n || seen.used != n || seen.odd != 0) {
		note("met %zu, areas say %zu, wanted %zu, odd %zu", seen.count, seen.used, n,
		     seen.odd);
		return false;
	}
	qsort(wanted, n, sizeof(*wanted), compare);
	qsort(seen.block, n, sizeof(*seen.block), compare);
	return memcmp(wanted, seen.block, n * sizeof(*wanted)) == 0;
}

/* ---- one thread ------------------------------------------------------------------------------ */

static size_t some_size(struct rng *rng)
{
	size_t kind = rng_below(rng, 40);

	return kind == 0  ? 1 + rng_below(rng, 3000000)
	       : kind < 8 ? 1 + rng_below(rng, 40000)
	                  : 1 + rng_below(rng, 500);
}

static void step(arn_heap *handle, void **block, struct rng *rng)
{
	if (*block)
		arn_free(*block);
	*block = rng_below(rng, 3) ? arn_heap_malloc(handle, some_size(rng)) : NULL;
}

static void test_model(const struct arn_provider *with, unsigned tag)
{
	static void *block[LIVE];
	struct rng rng = rng_start(tag);
	arn_heap handle;

	memset(block, 0, sizeof(block));
	arn_heap_init(&handle, arn_family_new(with), (enum arn_tag)tag);
	for (long i = tap_scale(30); i > 0; i--) {
		for (unsigned k = (unsigned)rng_below(&rng, LIVE); k > 0; k--)
			step(&handle, &block[rng_below(&rng, LIVE)], &rng);
		forget(0);
		expect(arn_heap_visit(&handle, true, remember, &seen) && met(block, LIVE));
		expect(handle.heap == &heap_none || heap_is_valid(handle.heap));
	}
	no_errors("tag %u, provider %s: each live block once", tag, with ? "says no" : "none");
	for (unsigned k = 0; k < LIVE; k++)
		arn_free(block[k]);
	forget(0);
	ok(arn_heap_visit(&handle, true, remember, &seen) && met(block, 0) && seen.areas == 0,
	   "tag %u: none at last; pools that wait for readers are in no heap", tag);
	arn_heap_abandon(&handle);
}

static void test_order_and_end(void)
{
	arn_heap handle;
	void *block[300];
	size_t areas;

	arn_heap_init(&handle, arn_family_new(NULL), ARN_TAG_GC);
	for (unsigned i = 0; i < 300; i++)
		block[i] = arn_heap_malloc(&handle, 8000);
	forget(0);
	arn_heap_visit(&handle, true, remember, &seen);
	areas = seen.areas;
	for (unsigned i = 0; i < 300; i++)
		expect(seen.block[i] == block[i]);
	no_errors("blocks are met in the order in which a dense heap made them");
	forget(150);
	ok(!arn_heap_visit(&handle, true, remember, &seen) && seen.count == 150 &&
	           seen.areas < areas,
	   "a visitor that says no is not called again");
	forget(0);
	ok(arn_heap_visit(&handle, false, remember, &seen) && seen.areas == areas &&
	           seen.count == 0 && seen.used == 300,
	   "areas only: %zu", areas);
	for (unsigned i = 0; i < 300; i++)
		arn_free(block[i]);
	arn_heap_abandon(&handle);
}

/* ---- many threads, walked by one while the others stand still -------------------------------- */

static arn_heap heaps[WORKERS];
static _Atomic(void *) shared[WORKERS][LIVE];

/* All threads free blocks of all heaps. */
static void use_heap(unsigned self, struct rng *rng)
{
	for (unsigned k = 600; k > 0; k--) {
		void *block = rng_below(rng, 3) ? arn_heap_malloc(&heaps[self], some_size(rng))
		                                : NULL;

		block = atomic_exchange(&shared[self][rng_below(rng, LIVE)], block);
		arn_free(block);
		arn_free(atomic_exchange(&shared[rng_below(rng, WORKERS)][rng_below(rng, LIVE)],
		                         NULL));
	}
}

static void expect_all_met(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		forget(0);
		expect(arn_heap_visit(&heaps[i], true, remember, &seen));
		expect(met((void **)shared[i], LIVE));
	}
}

static void use_and_walk(unsigned self)
{
	struct rng rng = rng_start(20 + self);

	for (long i = tap_scale(12); i > 0; i--) {
		use_heap(self, &rng);
		barrier();
		if (self == 0)
			expect_all_met();
		barrier();
	}
}

static void test_threads(unsigned tag, unsigned one_in)
{
	family = arn_family_new(NULL);
	for (unsigned i = 0; i < WORKERS; i++)
		arn_heap_init(&heaps[i], family, (enum arn_tag)tag);
	yield_start(tap_seed(), one_in);
	threads(WORKERS, use_and_walk);
	yield_start(0, 0);
	no_errors("tag %u, %d threads: each heap has its live blocks", tag, WORKERS);
	for (unsigned i = 0; i < WORKERS; i++)
		arn_heap_abandon(&heaps[i]);
	forget(0);
	ok(arn_family_visit_orphans(family, (enum arn_tag)tag, true, remember, &seen) &&
	           met((void **)shared, WORKERS * LIVE),
	   "tag %u: and as orphans all of them", tag);
	for (unsigned i = 0; i < WORKERS * LIVE; i++)
		arn_free(atomic_exchange(&shared[i / LIVE][i % LIVE], NULL));
	remote_flush();
	forget(0);
	ok(arn_family_visit_orphans(family, (enum arn_tag)tag, true, remember, &seen) &&
	           seen.areas == 0,
	   "tag %u: then none", tag);
}

/* ---- a burst of threads ---------------------------------------------------------------------- */

enum { BURST = 400 };

static size_t heaps_to_walk(arn_family *of, unsigned tag)
{
	size_t n = 0;

	for (struct heap *heap = load_acquire(&of->x_walked[tag]); heap; heap = heap->walk_next)
		n++;
	return n;
}

/* Make heaps as many threads would at the same time.  The first blocks stay. */
static void burst(arn_heap *handle, void **block, unsigned stay, unsigned tag)
{
	for (unsigned i = 0; i < BURST; i++)
		arn_heap_init(&handle[i], family, (enum arn_tag)tag);
	for (unsigned i = 0; i < BURST; i++)
		block[i] = arn_heap_malloc(&handle[i], 100 + i);
	for (unsigned i = stay; i < BURST; i++) {
		arn_free(block[i]);
		block[i] = NULL;
	}
	for (unsigned i = 0; i < BURST; i++)
		arn_heap_abandon(&handle[i]);
}

static bool walk_meets(void **block, unsigned tag)
{
	forget(0);
	return arn_family_visit_orphans(family, (enum arn_tag)tag, true, remember, &seen) &&
	       met(block, BURST);
}

static void test_burst(unsigned tag)
{
	static arn_heap handle[BURST];
	static void *block[BURST];

	family = arn_family_new(NULL);
	burst(handle, block, 7, tag);
	expect(walk_meets(block, tag) && walk_meets(block, tag));
	ok(heaps_to_walk(family, tag) == 7,
	   "tag %u: of %u orphans, walks go by those that hold something: %zu", tag, BURST,
	   heaps_to_walk(family, tag));
	for (unsigned i = 0; i < 7; i++)
		arn_free(block[i]);
	burst(handle, block, BURST, tag);
	ok(walk_meets(block, tag), "tag %u: adopted again, every one of them is met", tag);
	for (unsigned i = 0; i < BURST; i++)
		arn_free(block[i]);
	memset(block, 0, sizeof(block));
	expect(walk_meets(block, tag) && walk_meets(block, tag));
	ok(heaps_to_walk(family, tag) == 0, "tag %u: in the end, by none", tag);
	no_errors("tag %u: nothing else was met", tag);
}

/* ---- walked while somebody trims ------------------------------------------------------------- */

static void *freed[300];

static void free_all(unsigned self)
{
	(void)self;
	for (unsigned i = 0; i < array_length(freed); i++)
		arn_free(freed[i]);
	remote_flush();
}

static void sweep_all_remote(void)
{
	reclaim_enter();
	for (unsigned i = 0; i < array_length(freed); i++)
		remote_sweep(arena_at(freed[i]),
		             (unsigned)(arena_pool_at(freed[i]) - arena_at(freed[i])->pool));
	reclaim_exit();
}

/*
 * A thread that trims takes no part in the stop of the world.  Blocks that it takes out of remote
 * words would look live to the walk.
 */
static void test_trim(unsigned tag)
{
	size_t purged;
	arn_heap handle;

	arn_heap_init(&handle, arn_family_new(NULL), (enum arn_tag)tag);
	for (unsigned i = 0; i < array_length(freed); i++)
		freed[i] = arn_heap_malloc(&handle, 8000);
	threads(1, free_all);
	purged = load_relaxed(&arena_counters.x_purged);
	sweep_all_remote();
	purged = load_relaxed(&arena_counters.x_purged) - purged;
	ok((purged > 0) == (tag < ARN_TAG_GC),
	   "tag %u: trimming takes remote words that no collector reads: %zu bytes", tag, purged);
	arn_heap_abandon(&handle);
}

int main(void)
{
	test_model(NULL, ARN_TAG_MEM);
	test_model(NULL, ARN_TAG_GC);
	test_model(&provider, ARN_TAG_OBJECT);
	test_order_and_end();
	test_threads(ARN_TAG_GC, 40);
	test_threads(ARN_TAG_MEM, 40);
	test_burst(ARN_TAG_OBJECT);
	test_burst(ARN_TAG_GC);
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		test_trim(tag);
	return done();
}
