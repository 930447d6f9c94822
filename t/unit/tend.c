/* SPDX-License-Identifier: MIT
 *
 * tend - a thread makes blocks and waits, and others free them.  The pages go back to the system
 * without that thread, and the blocks come home when it goes on.  What was freed to heaps without
 * an owner goes home, too.  And what waits or is kept, too much of it, goes though nobody frees
 * what would let it go.
 */
#include "support/core.h"
#include "support/provider.h"

#include "arena/retain.h"
#include "base/option.h"
#include "heap/heap.h"
#include "heap/idle.h"
#include "heap/limbo.h"
#include "os/os.h"
#include "heap/remote.h"
#include "heap/stock.h"
#include "heap/tend.h"
#include "heap/empty.h"
#include "heap/wait.h"

#include <arenite/arenite.h>

enum { BLOCKS = 20000, SIZE = 400, LARGE = 1000 };

static arn_heap handle, own[ARN_TAGS];
static void *block[BLOCKS];
static atomic_bool made, go_on, ended;

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

	arn_stats_resident(&resident, sizeof(resident));
	return resident.remote / KIB;
}

static void test_owner_waits(enum arn_tag tag)
{
	pthread_t thread = begin(make_and_wait, tag);
	size_t before;

	while (!atomic_load(&made))
		sched_yield();
	option_values[OPTION_RETAIN] = 1024 * MIB; /* else whoever frees gives pages back */
	free_all();
	option_values[OPTION_RETAIN] = 8 * MIB;
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

/* More is freed to a thread that waits than may be kept: whoever frees gives back the pages. */
static void test_at_once(enum arn_tag tag)
{
	pthread_t thread = begin(make_and_wait, tag);
	size_t left;

	while (!atomic_load(&made))
		sched_yield();
	option_values[OPTION_RETAIN] = 256 * KIB;
	retain_forget();
	free_all();
	left = remote_kib();
	option_values[OPTION_RETAIN] = 8 * MIB;
	ok(left <= BLOCKS * SIZE / KIB / 2, "tag %d: without a later call %zu of %zu KiB stay",
	   (int)tag, left, (size_t)BLOCKS * SIZE / KIB);
	atomic_store(&go_on, true);
	pthread_join(thread, NULL);
	expect(heap_is_valid(handle.heap));
	arn_heap_abandon(&handle);
	no_errors("and all is as it should be when the thread goes on");
}

/* The owner takes home in each round what the others have freed to it in the one before. */
static void *make_in_rounds(void *arg)
{
	while (!atomic_load(&ended)) {
		for (unsigned i = 0; i < LARGE; i++)
			memset(block[i] = arn_heap_malloc(&handle, 10 * SIZE), 1, 10 * SIZE);
		atomic_store(&made, true);
		while (!atomic_load(&go_on))
			sched_yield();
		atomic_store(&go_on, false);
	}
	return arg;
}

/* Frees the blocks of a round, and says whether somebody has looked after the heap meanwhile. */
static bool free_round(bool last)
{
	bool looked;

	while (!atomic_load(&made))
		sched_yield();
	atomic_store(&made, false);
	retain_forget();
	for (unsigned i = 0; i < LARGE; i++)
		arn_free(block[i]);
	remote_flush();
	looked = load_relaxed(&handle.heap->x_swept) != NULL;
	atomic_store(&ended, last);
	atomic_store(&go_on, true);
	return looked;
}

/* What is freed to an owner at work is used again at once, so its pages stay, until the owner has
 * done nothing for a while. */
static void test_at_work(enum arn_tag tag)
{
	pthread_t thread;
	bool first, later = false;

	atomic_store(&ended, false);
	option_values[OPTION_RETAIN] = 256 * KIB;
	thread = begin(make_in_rounds, tag);
	first = free_round(false);
	free_round(false);
	for (unsigned i = 0; i < 10; i++)
		later |= free_round(false);
	ok(first && !later, "tag %d: nobody gives back what an owner at work takes home", (int)tag);
	while (!atomic_load(&made))
		sched_yield();
	heap_is_idle(handle.heap, HEAP_IDLE_FULL);
	add_relaxed(&os_ahead, 2 * HEAP_IDLE_FULL);
	ok(free_round(true), "tag %d: they do when it has done nothing for a while", (int)tag);
	pthread_join(thread, NULL);
	option_values[OPTION_RETAIN] = 8 * MIB;
	expect(heap_is_valid(handle.heap));
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

/* ---- what is kept, and what waits ------------------------------------------------------------ */

/* Hundreds of slow paths that neither make a pool nor empty one: the blocks are more than a bin has
 * without a cache, and one of them stays.  Time goes by. */
static void call_in_one_pool(arn_heap *heap)
{
	void *stays = arn_heap_malloc(heap, SIZE), *some[100];
	unsigned before = load_relaxed(&heap->heap->x_slow_paths);

	for (unsigned i = 0; i < 100; i++, add_relaxed(&os_ahead, 1)) {
		for (unsigned k = 0; k < array_length(some); k++)
			some[k] = arn_heap_malloc(heap, SIZE);
		for (unsigned k = 0; k < array_length(some); k++)
			arn_free(some[k]);
	}
	arn_free(stays);
	expect(load_relaxed(&heap->heap->x_slow_paths) - before >= 200);
}

static void set_options(const char *cache, const char *retain, const char *percent)
{
	expect(option_parse(OPTION_CACHE, cache) && option_parse(OPTION_RETAIN, retain) &&
	       option_parse(OPTION_RETAIN_PERCENT, percent));
	retain_forget();
}

/* Their pages have gone back, and their readers are done later. */
static void test_waiting(void)
{
	size_t most, left;
	arn_heap heap;

	set_options("0", "0", "0");
	arn_heap_init(&heap, arn_family_new(&provider), ARN_TAG_OBJECT);
	for (unsigned i = 0; i < BLOCKS; i++)
		block[i] = arn_heap_malloc(&heap, 10 * SIZE);
	free_all();
	most = tally_read_all(&arena_counters.x_limbo);
	readers_are_done = true;
	call_in_one_pool(&heap);
	left = tally_read_all(&arena_counters.x_limbo);
	ok(most > 3 * LIMBO_SPACE && left <= LIMBO_SPACE,
	   "of %zu MiB without pages that waited %zu are left", most / MIB, left / MIB);
	arn_heap_abandon(&heap);
	arn_trim();
	no_errors("options are set");
}

/* Much is in use, and as much may be kept; then less is in use, but no slice falls free. */
static void test_kept(void)
{
	size_t before, after;
	arn_heap heap;

	set_options("0", "64K", "100");
	arn_heap_init(&heap, arn_family_new(NULL), ARN_TAG_MEM);
	for (unsigned i = 0; i < BLOCKS / 4; i++)
		memset(block[i] = arn_heap_malloc(&heap, 20 * SIZE), 1, 20 * SIZE);
	arn_free(arn_heap_malloc(&heap, 12 * MIB));
	before = tally_read_all(&arena_counters.x_retained);
	for (unsigned i = 0; i < BLOCKS / 4; i++)
		if (i % 8)
			arn_free(block[i]);
	call_in_one_pool(&heap);
	after = tally_read_all(&arena_counters.x_retained);
	ok(before >= 12 * MIB && after <= retain_base() + MIB,
	   "of %zu KiB kept %zu are left, when %zu MiB are in use", before / KIB, after / KIB,
	   arena_with_pages() / MIB);
	for (unsigned i = 0; i < BLOCKS / 4; i += 8)
		arn_free(block[i]);
	arn_heap_abandon(&heap);
	no_errors("options are set");
}

/* Much is in use, and a heap of another family has a stock.  Then less is in use, and nobody uses
 * that family any more. */
static void test_kept_elsewhere(void)
{
	size_t before, after;
	arn_heap heap, other;

	set_options("0", "64K", "100");
	arn_heap_init(&heap, arn_family_new(NULL), ARN_TAG_MEM);
	arn_heap_init(&other, arn_family_new(NULL), ARN_TAG_MEM);
	for (unsigned i = 0; i < BLOCKS / 4; i++)
		memset(block[i] = arn_heap_malloc(&heap, 20 * SIZE), 1, 20 * SIZE);
	for (unsigned i = 0; i < 16; i++)
		arn_free(arn_heap_malloc(&other, MIB));
	before = stock_bytes(other.heap);
	for (unsigned i = 0; i < BLOCKS / 4; i++)
		arn_free(block[i]);
	call_in_one_pool(&heap);
	after = stock_bytes(other.heap);
	ok(before >= MIB && after == 0 && arena_kept() <= retain_for_slices(),
	   "of %zu KiB in the stock of another family %zu are left, and %zu KiB are kept",
	   before / KIB, after / KIB, arena_kept() / KIB);
	arn_heap_abandon(&heap);
	arn_heap_abandon(&other);
	no_errors("options are set");
}

/* How often the heap's owner looks at others in so many slow paths.  In each look it goes on. */
static unsigned count_looks(arn_heap *heap, unsigned paths, unsigned ms)
{
	const struct heap *last = heap->heap->tended;
	unsigned looks = 0;

	for (unsigned i = 0; i < paths; i++, add_relaxed(&os_ahead, ms)) {
		arn_free(arn_heap_malloc(heap, MIB));
		looks += heap->heap->tended != last;
		last = heap->heap->tended;
	}
	return looks;
}

/* Hundreds of threads need not find out one after the other that no heap is idle. */
static void test_in_vain(void)
{
	enum { OTHERS = 5 * TEND_LOOK + 1, PATHS = 4000 };
	arn_family *family = arn_family_new(NULL);
	static arn_heap heap[OTHERS];
	unsigned start, looks, passed;

	for (unsigned i = 0; i < OTHERS; i++) {
		arn_heap_init(&heap[i], family, ARN_TAG_MEM);
		arn_free(arn_heap_malloc(&heap[i], SIZE));
	}
	start = os_milliseconds();
	looks = count_looks(&heap[0], PATHS, 0);
	passed = os_age(os_milliseconds(), start);
	ok(looks <= 2 * passed + 2, "in %u ms a thread looks %u times at heaps without work",
	   passed, looks);
	looks = count_looks(&heap[0], PATHS, 1);
	ok(looks >= PATHS / TEND_EVERY, "when time goes by, each slow path looks: %u", looks);
	for (unsigned i = 0; i < OTHERS; i++)
		arn_heap_abandon(&heap[i]);
}

/* A pool waits for readers who are not done.  Nor need hundreds of threads ask for it all the time:
 * to ask CPython is a look at every thread. */
static void test_asked_in_vain(void)
{
	enum { OTHERS = 900, PATHS = 3000 };
	arn_family *family = arn_family_new(&provider);
	static arn_heap heap[OTHERS];
	unsigned asked;

	readers_are_done = false;
	for (unsigned i = 0; i < OTHERS; i++) {
		arn_heap_init(&heap[i], family, ARN_TAG_OBJECT);
		arn_free(arn_heap_malloc(&heap[i], 64));
	}
	arn_free(arn_heap_malloc(&heap[0], SIZE));
	wait_hand_over(heap[0].heap);
	asked = provider_asked;
	for (unsigned i = 0; i < PATHS; i++)
		empty_poll(heap[0].heap);
	asked = provider_asked - asked;
	ok(limbo_has_some(family) && asked > 0 && asked <= PATHS / 30 + 10,
	   "with 900 heaps, %u slow paths ask the provider %u times in vain", PATHS, asked);
	readers_are_done = true;
	/* the more heaps there are, those of the tests before among them, the fewer polls ask */
	for (unsigned i = 0; i <= UINT8_MAX; i++)
		empty_poll(heap[0].heap);
	ok(!limbo_has_some(family), "when its readers are done, what waited is released");
	for (unsigned i = 0; i < OTHERS; i++)
		arn_heap_abandon(&heap[i]);
}

/* Two looks at the same time, which is even or odd, say nothing about how long the heap has been
 * left alone. */
static void test_two_looks(void)
{
	bool early = false;

	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	for (unsigned i = 0; i < 16; i++) {
		arn_free(arn_heap_malloc(&handle, MIB));
		add_relaxed(&os_ahead, 1);
		early |= heap_is_idle(handle.heap, HEAP_IDLE);
		early |= heap_is_idle(handle.heap, HEAP_IDLE);
	}
	ok(!early, "a heap is not idle when it is looked at twice within a moment");
	add_relaxed(&os_ahead, HEAP_IDLE + 2);
	ok(heap_is_idle(handle.heap, HEAP_IDLE), "and it is idle after half a second");
	ok(os_age(1000, 400) == 600 && os_age(400, 401) == 0 && os_age(5, UINT_MAX - 4) == 10,
	   "the age of a time that another thread has read later is 0");
	arn_heap_abandon(&handle);
}

/* A thread among hundreds of others at work waits for a processor for longer than a moment. */
static void test_among_many(void)
{
	enum { OTHERS = 600 };
	static arn_heap heap[OTHERS];

	for (unsigned i = 0; i < OTHERS; i++) {
		arn_heap_init(&heap[i], NULL, ARN_TAG_MEM);
		arn_free(arn_heap_malloc(&heap[i], SIZE));
	}
	expect(!heap_is_idle(heap[0].heap, HEAP_IDLE));
	add_relaxed(&os_ahead, HEAP_IDLE + 2);
	ok(!heap_is_idle(heap[0].heap, HEAP_IDLE),
	   "among %zu heaps one is not idle after half a second", heap_count());
	add_relaxed(&os_ahead, 10 * HEAP_IDLE);
	ok(heap_is_idle(heap[0].heap, HEAP_IDLE), "but later it is");
	for (unsigned i = 0; i < OTHERS; i++)
		arn_heap_abandon(&heap[i]);
}

int main(void)
{
	for (enum arn_tag tag = ARN_TAG_MEM; tag < ARN_TAGS; tag++) {
		arn_heap_init(&own[tag], NULL, tag);
		arn_free(arn_heap_malloc(&own[tag], 1));
	}
	test_two_looks();
	test_in_vain();
	test_owner_waits(ARN_TAG_MEM);
	test_owner_waits(ARN_TAG_GC);
	test_at_once(ARN_TAG_MEM);
	test_at_once(ARN_TAG_GC);
	test_at_work(ARN_TAG_MEM);
	test_at_work(ARN_TAG_GC);
	test_nobody(ARN_TAG_MEM);
	test_nobody(ARN_TAG_GC);
	test_waiting();
	test_kept();
	test_kept_elsewhere();
	test_asked_in_vain();
	test_among_many();
	return done();
}
