/* SPDX-License-Identifier: MIT
 *
 * handover - a thread ends while others start, end and free what it has made (lib/heap/end.c,
 * lib/heap/thread.c, lib/api/alloc.c, lib/heap/family.c, lib/heap/remote.c).  Each heap and each
 * record passes whole to one other thread, what a thread had gathered is sent, and every block
 * comes home.
 */
#include "model/explore.h"

#include "model/below.h"

#include <pthread.h>
#include <stdlib.h>

#include "os/os.h"

/* there is no key of pthread here: the model's threads call what a thread does at its end */
#define os_at_thread_end(key, value) ((void)(key), (void)(value), true)
#include "api/alloc.c"
#include "heap/family.c"
#include "heap/heap.c"
#include "arena/pool.c"
#include "heap/remote.c"
#include "arena/sizeclass.c"
#include "heap/types.c"
#include "heap/handle.c"
/* the explorer is to know of a record's plain fields */
#define handle_init(handle, family, tag) \
	(explore_touch(handle, true), (handle_init)(handle, family, tag))
#define arn_heap_abandon(handle) (explore_touch(handle, true), (arn_heap_abandon)(handle))
#include "heap/end.c"
#include "heap/thread.c"

/* Nobody looks at the process. */
/* Memory is never short. */
void *shortage_refuse(size_t bytes)
{
	(void)bytes;
	return NULL;
}
_Atomic size_t x_tally_look = SIZE_MAX;
void watch_look(void)
{
}

enum { HEAPS = 5, RECORDS = 5, SIZE = 8192, LAST = EXPLORE_THREADS - 1 };

static struct heap heaps[HEAPS];
static bool in_use[HEAPS];
static struct thread records[RECORDS], *currents[EXPLORE_THREADS];
static unsigned heaps_made, records_made, was;
static _Atomic(void *) x_first, x_second; /* blocks of threads 0 and 1 */

static bool is_queued(const struct pool *pool)
{
	for (unsigned i = 0; i < heaps_made; i++)
		for (const struct pool *at = atomic_load(&heaps[i].x_pending); at;
		     at = atomic_load(&queue_entry(at)->x_next))
			if (at == pool)
				return true;
	return false;
}

/* ---- below and beside ------------------------------------------------------------------------ */

void *meta_take(size_t size, size_t alignment)
{
	(void)alignment;
	if (size == sizeof(struct thread)) {
		explore_check(records_made < RECORDS);
		return &records[records_made++];
	}
	explore_check(size == sizeof(struct heap) && heaps_made < HEAPS);
	return &heaps[heaps_made++];
}

struct heap *sample_take_heap(void)
{
	return meta_take(sizeof(struct heap), CACHE_LINE);
}

static void begin_use(struct heap *heap)
{
	explore_check(!in_use[heap - heaps]);
	in_use[heap - heaps] = true;
	explore_touch(&heap->partial, true);
}

static void end_use(struct heap *heap)
{
	explore_touch(&heap->partial, true);
	in_use[heap - heaps] = false;
}

void cache_init(struct heap *heap)
{
	(void)heap;
}

/* There is no pool cache: this does what lib/heap/cache.c does in a class that is rarely used. */
void *cache_refill(struct heap *heap, unsigned cls, size_t alignment)
{
	struct pool *pool;
	void *block = NULL;

	(void)alignment;
	begin_use(heap);
	remote_drain(heap);
	pool = heap->partial[cls] ? heap->partial[cls] : heap_add_pool(heap, cls);
	if (pool && pool_take(pool, &block, 1) && pool_free_count(pool) == 0)
		heap_unlist(heap, pool);
	if (pool)
		heap_count_out(heap, pool, 1);
	end_use(heap);
	return block;
}

void cache_give_pool(struct heap *heap, struct pool *pool, void *block)
{
	uint32_t before = pool_free_count(pool);

	begin_use(heap);
	explore_check(pool_give(pool, &block, 1) == 1);
	heap_count_home(heap, pool, 1);
	if (before == 0 || pool_is_empty(pool))
		heap_reclassify_pool(heap, pool, before);
	end_use(heap);
}

void cache_overflow(struct heap *heap, struct pool *pool, void *block)
{
	cache_give_pool(heap, pool->lead, block);
}

/* There are no large blocks here. */
void *large_malloc(struct heap *heap, size_t size, size_t alignment)
{
	(void)heap, (void)size, (void)alignment;
	return NULL;
}

bool large_resize(struct heap *heap, struct pool *pool, size_t size)
{
	(void)heap, (void)pool, (void)size;
	return false;
}

bool large_may_move(const struct pool *from, const struct pool *to)
{
	(void)from, (void)to;
	return false;
}

bool large_move(struct pool *from, struct pool *to)
{
	(void)from, (void)to;
	return false;
}

/*
 * This is for stranded heaps, of which there are none here, but a sanitizer's build asks for the
 * name all the same.
 */
void cache_move(struct heap *to, struct heap *from)
{
	(void)to;
	(void)from;
}

void cache_send_home(struct heap *heap)
{
	begin_use(heap);
	remote_drain(heap);
	end_use(heap);
}

/* There are no cells here. */
void cell_begin_anew(arn_family *of)
{
	(void)of;
}

void cell_poll(arn_family *of)
{
	(void)of;
}

/* The heaps here have no stock. */
void stock_give_back(struct heap *heap)
{
	(void)heap;
}

void guard_live(const struct pool *pool, const void *block, const void *caller)
{
	(void)pool, (void)block, (void)caller;
}

void guard_owner(const arn_heap *handle)
{
	(void)handle;
}

void guard_freed(const struct pool *pool, void *block)
{
	(void)pool, (void)block;
}

void guard_check_made(void *block, size_t size, const void *caller)
{
	(void)block, (void)size, (void)caller;
}

void guard_mark_end(const struct pool *pool, void *block, size_t size)
{
	(void)pool, (void)block, (void)size;
}

void guard_heap(const struct heap *heap)
{
	(void)heap;
}

__thread struct reader *reader_own;

void reader_enter_as_guest(void)
{
}

void reader_exit_as_guest(void)
{
}

enum counting process_counts(void)
{
	return COUNT_NOTHING;
}

bool process_serves(unsigned tag)
{
	(void)tag;
	return true;
}

bool process_has_malloc(void)
{
	return false;
}

void *raw_malloc(size_t size)
{
	return malloc(size);
}

void *raw_realloc(void *block, size_t size)
{
	return realloc(block, size);
}

void raw_free(void *block)
{
	free(block);
}

void arn_raw_free(void *block)
{
	raw_free(block);
}

/* ---- what threads do ------------------------------------------------------------------------- */

static void switched(void)
{
	currents[was] = thread_current;
	was = explore_self;
	thread_current = currents[was];
}

static void become(unsigned self)
{
	explore_self = self;
	switched();
}

static void *make(void)
{
	void *block = heap_malloc(&thread_self()->heap[ARN_TAG_MEM], SIZE);

	explore_check(block != NULL);
	explore_touch(block, true);
	return block;
}

static void drop(void *block)
{
	if (!block)
		return;
	explore_touch(block, true);
	arn_free(block);
}

static void end_this_thread(void)
{
	end_thread_record(thread_self());
}

static void free_second_and_end(void)
{
	drop(load_acquire(&x_second));
	end_this_thread();
}

static void free_first_and_end(void)
{
	drop(load_acquire(&x_first));
	end_this_thread();
}

static void free_first_work_and_end(void)
{
	drop(load_acquire(&x_first));
	drop(make());
	end_this_thread();
}

static void whole_life(void)
{
	drop(make());
	end_this_thread();
}

static void free_both_and_end(void)
{
	drop(load_acquire(&x_second));
	drop(load_acquire(&x_first));
	end_this_thread();
}

static void end_only(void)
{
	end_this_thread();
}

/* ---- before and after ------------------------------------------------------------------------ */

static void as_new(void)
{
	for (unsigned i = 0; i < HEAPS; i++)
		below_clear_heap(&heaps[i]);
	memset(records, 0, sizeof(records));
	memset(currents, 0, sizeof(currents));
	memset(in_use, 0, sizeof(in_use));
	heaps_made = records_made = 0;
	frees_without_record = FREES_WITHOUT_RECORD; /* each thread has a record */
	thread_current = NULL;
	spares.stack = (struct stack){ 0 };
	first_family = (struct arn_family){ 0 };
	atomic_store(&x_threads, NULL);
	below_set_up();
	atomic_store(&registry_bytes[(uintptr_t)below_arena >> ARENA_SHIFT], 1);
}

/* At the beginning threads 0 and 1 have made a block each. */
static void set_up(void)
{
	as_new();
	become(0);
	atomic_store(&x_first, make());
	become(1);
	atomic_store(&x_second, make());
	become(2);
}

static void set_up_first(void)
{
	as_new();
	become(0);
	atomic_store(&x_first, make());
	become(2);
}

/*
 * At the end each record is spare and there once, and each heap is an orphan that can be adopted
 * once and has all of its blocks.
 */
static void finish(void)
{
	bool found[HEAPS] = { false };
	unsigned before = heaps_made, spare = 0;

	become(LAST);
	while (stack_pop(&spares.stack))
		explore_check(++spare <= records_made);
	explore_check(spare == records_made);
	for (unsigned i = 0; i < before; i++) {
		struct heap *heap = family_adopt(family_default(), ARN_TAG_MEM);

		explore_check(heaps_made == before && !found[heap - heaps]);
		found[heap - heaps] = true;
		remote_drain(heap);
		explore_check(heap_is_valid(heap) && atomic_load(&heap->x_pools) == 0);
	}
}

static const struct explore_model models[] = {
	{ "two end and free each other's block",
	  set_up,
	  { free_second_and_end, free_first_and_end },
	  finish,
	  switched },
	{ "one ends while another starts and ends",
	  set_up_first,
	  { free_first_and_end, whole_life },
	  finish,
	  switched },
	{ "one ends, its block is freed by one that starts",
	  set_up_first,
	  { end_only, free_first_work_and_end },
	  finish,
	  switched },
	{ "one that only frees ends, and another",
	  set_up,
	  { end_only, end_only, free_both_and_end },
	  finish,
	  switched },
	{ "two free each other's block, one starts",
	  set_up,
	  { free_second_and_end, free_first_work_and_end },
	  finish,
	  switched },
	{ "~three threads end, one starts",
	  set_up,
	  { free_second_and_end, free_first_work_and_end, whole_life },
	  finish,
	  switched },
};

int main(int argc, char **argv)
{
	end_init();
	remote_init(family_drain_orphan);
	return explore_main(argc, argv, models, array_length(models));
}
