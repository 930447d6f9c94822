/* SPDX-License-Identifier: MIT
 *
 * queue - remote push and drain (lib/heap/remote.c).  Every block that another thread frees comes
 * home once, a pool that is empty then leaves, and no pool leaves while it is queued or about to be
 * queued.
 *
 * The model includes lib/heap/remote.c, lib/arena/pool.c and lib/heap/heap.c as they are.  The
 * arena below them is a table.
 */
#include "model/explore.h"

#include "model/below.h"
#include "heap/heap.c"
#include "arena/pool.c"
#include "heap/remote.c"
#include "arena/sizeclass.c"
#include "heap/types.c"

enum { OWNER, BLOCKS = 3, BLOCK_SIZE = 8192 };

static struct heap heap, second;
static arn_family family;
static struct thread records[EXPLORE_THREADS];
static struct pool *pool;
static void *block[BLOCKS];
static int content[BLOCKS]; /* stands for what is in the block: the arena's memory is not touched */
/* a block of the second heap, which lies in the slice of a pool that has left */
static _Atomic(void *) x_young;

__thread struct thread *thread_current;
struct thread thread_none;

__thread struct reader *reader_own;

void reader_enter_as_guest(void)
{
}

void reader_exit_as_guest(void)
{
}

struct thread *thread_make(void)
{
	return NULL;
}

struct thread *thread_first(void)
{
	return NULL;
}

void cache_init(struct heap *heap)
{
	(void)heap;
}

static bool is_in(const struct heap *of, const struct pool *pool)
{
	const struct pool *at = atomic_load(&of->x_pending);

	while (at && at != pool)
		at = atomic_load(&queue_entry(at)->x_next);
	return at != NULL;
}

static bool is_queued(const struct pool *pool)
{
	return is_in(&heap, pool) || is_in(&second, pool);
}

static void switched(void)
{
	thread_current = &records[explore_self];
}

static void own(struct heap *heap, unsigned tag)
{
	below_clear_heap(heap);
	heap_init(heap, &family, tag);
	store_relaxed(&heap->x_owner, owner_self());
}

/* Make a pool of which n blocks are live. */
static struct pool *make_pool(struct heap *heap, void **blocks, unsigned n)
{
	unsigned cls = sizeclass_of(BLOCK_SIZE);
	struct pool *made = heap_add_pool(heap, cls);

	explore_check(made && pool_take(made, blocks, n) == n);
	if (pool_free_count(made) == 0)
		heap_unlist(heap, made);
	heap_count_out(heap, made, n);
	return made;
}

static void set_up_with(unsigned n, unsigned tag)
{
	explore_self = OWNER;
	memset(records, 0, sizeof(records));
	below_set_up();
	own(&heap, tag);
	own(&second, ARN_TAG_GC);
	switched();
	pool = make_pool(&heap, block, n);
	store_relaxed(&x_young, NULL);
	explore_self = EXPLORE_NOBODY;
}

static void set_up_two(void)
{
	set_up_with(2, ARN_TAG_GC);
}

static void set_up_three(void)
{
	set_up_with(3, ARN_TAG_GC);
}

/* The pool that takes the slice next has its remote words in the other table. */
static void set_up_plain(void)
{
	set_up_with(2, ARN_TAG_MEM);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void free_one(unsigned i)
{
	explore_touch(&content[i], true);
	remote_free(pool, block[i], NULL);
	remote_flush();
}

static void free_first(void)
{
	free_one(0);
}

static void free_second(void)
{
	free_one(1);
}

static void free_third(void)
{
	free_one(2);
}

static void free_two(void)
{
	free_one(1);
	free_one(2);
}

/* The owner has its blocks back, so it may write to them. */
static void look_at_home(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!atomic_load(&below_claimed[0]) ||
		    (atomic_load(&pool->bits->x_free_map[0]) >> pool_index(pool, block[i]) & 1))
			explore_touch(&content[i], true);
}

static void drain_once(void)
{
	remote_drain(&heap);
	look_at_home(2);
}

static void drain_twice(void)
{
	drain_once();
	drain_once();
}

/*
 * As soon as the pool has left, another heap uses its slice, and a third thread frees a block of
 * that heap.
 */
static void drain_and_reuse(void)
{
	void *young;

	drain_once();
	if (!below_released)
		return;
	make_pool(&second, &young, 1);
	store_release(&x_young, young);
	remote_drain(&second);
}

static void free_second_and_young(void)
{
	void *young;

	free_one(1);
	young = load_acquire(&x_young);
	if (young)
		remote_free(arena_pool_at(young)->lead, young, NULL);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void is_settled(struct heap *heap)
{
	remote_drain(heap);
	explore_check(!atomic_load(&heap->x_pending));
	explore_check(heap_is_valid(heap));
	explore_check(atomic_load(&heap->x_pools) == 0 && heap_out_blocks(heap) == 0);
}

/* At the end one more drain brings everything home, and every pool leaves. */
static void finish(void)
{
	explore_self = OWNER;
	is_settled(&heap);
	explore_check(below_released == 1 && atomic_load(&queue_entry(pool)->x_queued) == UNQUEUED);
}

static bool has_remote(const struct pool *pool)
{
	return atomic_load(atomic_load(&pool->x_remote)) != 0;
}

/*
 * If the other thread did not see the block of the second heap, it is still to be freed, and that
 * is done here.
 */
static void finish_reuse(void)
{
	void *young = atomic_load(&x_young);
	struct pool *of = young ? arena_pool_at(young)->lead : NULL;

	explore_self = OWNER;
	if (young && atomic_load(&second.x_drained_blocks) == 0 && !has_remote(of)) {
		remote_free(of, young, NULL);
		explore_check(atomic_load(&second.x_pending) == of);
	}
	is_settled(&heap);
	is_settled(&second);
	explore_check(below_released == 1u + (young != NULL) &&
	              atomic_load(&queue_entry(pool)->x_queued) == UNQUEUED);
}

static const struct explore_model models[] = {
	{ "two frees and two drains",
	  set_up_two,
	  { drain_twice, free_first, free_second },
	  finish,
	  switched },
	{ "a block in a slice that has changed hands",
	  set_up_two,
	  { drain_and_reuse, free_first, free_second_and_young },
	  finish_reuse,
	  switched },
	{ "a block in a slice that has changed hands and its kind",
	  set_up_plain,
	  { drain_and_reuse, free_first, free_second_and_young },
	  finish_reuse,
	  switched },
	{ "three frees by two threads and a drain",
	  set_up_three,
	  { drain_once, free_first, free_two },
	  finish,
	  switched },
	{ "three frees by two threads and two drains",
	  set_up_three,
	  { drain_twice, free_first, free_two },
	  finish,
	  switched },
	{ "+three frees by three threads and a drain",
	  set_up_three,
	  { drain_once, free_first, free_second, free_third },
	  finish,
	  switched },
	{ "~three frees by three threads",
	  set_up_three,
	  { drain_twice, free_first, free_second, free_third },
	  finish,
	  switched },
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, models, array_length(models));
}
