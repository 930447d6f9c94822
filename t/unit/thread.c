/* SPDX-License-Identifier: MIT
 *
 * thread - what a thread leaves behind when it ends: blocks that stay live, and heaps and a record
 * for the next thread, but nothing that it had gathered.
 */
#include "support/core.h"

#include "heap/cache.h"
#include "arena/reclaim-reader.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "heap/family.h"
#include "heap/heap.h"

enum { WORKERS = 4, BLOCKS = 500, TURNS = 200 };

static size_t *blocks[BLOCKS];
static struct thread *record;

static size_t count_records(void)
{
	size_t n = 0;

	for (struct thread *thread = thread_first(); thread; thread = thread->next)
		n++;
	return n;
}

static size_t live_blocks(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats.tag[ARN_TAG_MEM].live_blocks + stats.tag[ARN_TAG_OBJECT].live_blocks;
}

static size_t remote_blocks(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats.tag[ARN_TAG_MEM].remote_blocks + stats.tag[ARN_TAG_OBJECT].remote_blocks;
}

static void make_blocks(unsigned self)
{
	(void)self;
	for (unsigned i = 0; i < BLOCKS; i++) {
		blocks[i] = i % 2 ? arn_mem_malloc(16 + i) : arn_obj_malloc(16 + i);
		blocks[i][0] = i;
	}
	record = thread_peek();
}

static void free_blocks(unsigned self)
{
	(void)self;
	for (unsigned i = 0; i < BLOCKS; i++) {
		expect(blocks[i][0] == i);
		arn_free(blocks[i]);
	}
	record = thread_peek();
}

/* Every heap of the default family lets go of what it can. */
static void settle_heaps(void)
{
	for (struct heap *heap = load_acquire(&family_default()->x_heaps); heap;
	     heap = heap->next) {
		if (load_relaxed(&heap->x_owner) != 0 &&
		    load_relaxed(&heap->x_owner) != owner_self())
			continue;
		remote_drain(heap);
		cache_flush(heap);
		expect(heap_is_valid(heap));
	}
}

static void test_outlive(void)
{
	threads(1, make_blocks);
	ok(thread_peek() == NULL, "no record for a thread that has not asked for one");
	ok(live_blocks() == BLOCKS, "%d blocks outlive their thread", BLOCKS);
	free_blocks(0);
	ok(live_blocks() == 0 && thread_peek() == record, "another thread frees them");
	remote_flush();
	settle_heaps();
	no_errors("they were whole, and their heaps are valid");
	ok(remote_blocks() == 0, "and are home");
}

/* What a thread has gathered is sent at its end: the owner needs no help from it. */
static void test_gathered(void)
{
	make_blocks(0);
	threads(1, free_blocks);
	ok(record->gathered == 0, "nothing is left in the record of a thread that is gone");
	settle_heaps();
	no_errors("valid");
	ok(remote_blocks() == 0 && live_blocks() == 0, "all is home");
}

static void *few[3];

static void free_few(unsigned self)
{
	(void)self;
	for (unsigned i = 0; i < array_length(few); i++)
		arn_free(few[i]);
	expect(!thread_peek() && !reader_own);
}

/* libc frees a block or two for a thread that is gone: no record is to be taken for that. */
static void test_few_frees(void)
{
	for (unsigned i = 0; i < array_length(few); i++)
		few[i] = arn_mem_malloc(100);
	threads(1, free_few);
	no_errors("a few frees take no records of a thread or a reader");
}

static void test_records(void)
{
	size_t before;

	threads(1, make_blocks);
	before = count_records();
	free_blocks(0);
	for (unsigned i = 0; i < TURNS; i++) {
		threads(1, make_blocks);
		threads(1, free_blocks);
	}
	ok(count_records() == before, "%d threads in turn need one record: %zu", 2 * TURNS,
	   count_records());
	settle_heaps();
	no_errors("and leave valid heaps");
}

/* ---- destructors that run after ours --------------------------------------------------------- */

enum { ENDING = 400, AT_ONCE = 4 };
#ifdef ARN_TSAN /* it leaves before the last time */
enum { TIMES = 1 };
#else
enum { TIMES = 10 }; /* more than the system does */
#endif

static pthread_key_t late_key;
static _Atomic unsigned x_late;

/*
 * The system runs a thread's destructors only a few times over, and nothing gives back what the
 * last of them takes.  This one runs each time, so it also runs after the thread's record was
 * handed back.
 */
static void use_late(void *arg)
{
	static __thread unsigned times;
	size_t *block = arn_mem_malloc(40), *other = arn_obj_calloc(5, 8), *raw = arn_raw_malloc(8);
	void *grown = arn_mem_realloc(arn_mem_malloc(100), 10000);

	expect(block && other && other[4] == 0 && raw && grown && arn_usable_size(grown) >= 10000);
	arn_mem_free(block);
	arn_obj_free(other);
	arn_raw_free(raw);
	arn_mem_free(grown);
	add_relaxed(&x_late, 1);
	if (++times < TIMES)
		pthread_setspecific(late_key, arg);
}

static void end_late(unsigned self)
{
	void *block = self % 2 ? arn_mem_malloc(100) : arn_obj_malloc(100);

	arn_free(block);
	pthread_setspecific(late_key, &late_key);
}

static size_t count_readers(void)
{
	struct reclaim_grace grace;
	size_t n = 0;

	reclaim_grace_begin(&grace);
	for (const struct reader *reader = grace.next; reader; reader = reader->next)
		n++;
	return n;
}

static size_t count_heaps(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats.heaps;
}

/* ---- a fork beside a thread without a record ------------------------------------------------- */

static _Atomic(struct heap *) x_borrowed;
static __thread struct heap *before_late;

static struct heap *newest_of_this_thread(void)
{
	for (struct heap *heap = load_acquire(&family_default()->x_heaps); heap; heap = heap->next)
		if (load_relaxed(&heap->x_owner) == owner_self())
			return heap;
	return NULL;
}

/* It stands still with the heap that it has just borrowed. */
static void stop_with_heap(const char *where)
{
	if (before_late && !strcmp(where, "adopted")) {
		before_late = NULL;
		store_release(&x_borrowed, newest_of_this_thread());
		yield_stand();
	}
}

static void borrow_late(void *arg)
{
	static __thread unsigned times;

	if (++times == 3) {
		before_late = &heap_none;
		arn_free(arn_mem_malloc(40));
	}
	if (times < 3)
		pthread_setspecific(late_key, arg);
}

static void *end_and_borrow(void *arg)
{
	arn_free(arn_mem_malloc(100));
	pthread_setspecific(late_key, arg);
	return NULL;
}

static int owner_in_child(void)
{
	return load_relaxed(&load_acquire(&x_borrowed)->x_owner) == OWNER_NONE ? 0 : 1;
}

static void test_borrowed_at_fork(void)
{
	pthread_t thread;

	pthread_key_create(&late_key, borrow_late);
	yield_arm(stop_with_heap);
	pthread_create(&thread, NULL, end_and_borrow, &late_key);
	while (!yield_stands())
		sched_yield();
	expect(load_acquire(&x_borrowed) && status_of_child(owner_in_child) == 0);
	yield_resume(thread);
	pthread_key_delete(late_key);
	no_errors("a heap that a thread without a record has borrowed is free to take in a child");
}

static void test_late(void)
{
	size_t records, heaps, readers;
	unsigned rounds;

	pthread_key_create(&late_key, use_late);
	threads(AT_ONCE, end_late);
	rounds = load_relaxed(&x_late) / AT_ONCE;
	records = count_records(), heaps = count_heaps(), readers = count_readers();
	for (unsigned i = 0; i < ENDING / AT_ONCE; i++)
		threads(AT_ONCE, end_late);
	pthread_key_delete(late_key);
	ok(rounds > 0 && load_relaxed(&x_late) == rounds * (ENDING + AT_ONCE),
	   "destructors run %u times over", rounds);
	no_errors("in each of them there is memory");
	note("after %d threads", ENDING);
	ok(count_records() <= records + AT_ONCE, "records: %zu, and %zu", records, count_records());
	ok(count_heaps() <= heaps + 4 * AT_ONCE, "heaps: %zu, and %zu", heaps, count_heaps());
	ok(count_readers() <= readers + AT_ONCE, "readers: %zu, and %zu", readers, count_readers());
	remote_flush();
	settle_heaps();
	no_errors("the heaps are valid");
	ok(live_blocks() == 0 && remote_blocks() == 0, "and nothing is lost or counted wrong");
}

/* ---- many threads that come and go ----------------------------------------------------------- */

enum { BOXES = 64 };
static _Atomic(size_t *) boxes[BOXES];

static void *short_life(void *arg)
{
	struct rng rng = rng_start((uintptr_t)arg);

	for (unsigned i = 0; i < 60; i++) {
		size_t size = 16 + rng_below(&rng, 500);
		size_t *block = rng_below(&rng, 2) ? arn_mem_malloc(size) : arn_obj_malloc(size);

		block[0] = block[1] = (size_t)block;
		block = atomic_exchange(&boxes[rng_below(&rng, BOXES)], block);
		if (block)
			expect(block[0] == (size_t)block && block[1] == (size_t)block);
		arn_free(block);
	}
	return NULL;
}

static void start_many(unsigned self)
{
	pthread_t thread;

	for (long i = tap_scale(80); i > 0; i--) {
		if (pthread_create(&thread, NULL, short_life,
		                   (void *)(uintptr_t)(self * 1000 + (unsigned)i)))
			continue;
		pthread_join(thread, NULL);
	}
}

static void test_many(void)
{
	yield_start(tap_seed(), 30);
	threads(WORKERS, start_many);
	yield_start(0, 0);
	no_errors("threads come and go, blocks stay whole");
	for (unsigned i = 0; i < BOXES; i++)
		arn_free(atomic_exchange(&boxes[i], NULL));
	remote_flush();
	settle_heaps();
	no_errors("all heaps are valid");
	ok(live_blocks() == 0 && remote_blocks() == 0, "and all blocks home");
	ok(count_records() <= 3 + 2 * WORKERS, "records: %zu", count_records());
}

int main(void)
{
	test_outlive();
	test_gathered();
	test_few_frees();
	test_records();
	test_late();
	test_borrowed_at_fork();
	test_many();
	return done();
}
