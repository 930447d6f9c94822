/* SPDX-License-Identifier: MIT */
#include "heap/remote.h"

#include "base/panic.h"
#include "arena/reclaim.h"
#include "heap/heap.h"
#include "heap/queued.h"
#include "heap/sweep.h"
#include "heap/thread.h"

static bool has_any(const _Atomic uint64_t *x_remote)
{
	for (unsigned word = 0; word < POOL_WORDS; word++)
		if (load_seq(&x_remote[word]) != 0) /* R1 */
			return true;
	return false;
}

/* Of the pool that stands here now, whatever its tag: x_remote only says where to look first. */
static bool has_bits(const struct pool *pool)
{
	struct arena *arena = arena_at(pool);
	size_t slice = (size_t)(pool - arena->pool);

	return has_any(load_relaxed(&arena->bits[slice].x_remote)) ||
	       has_any(arena->x_remote[REMOTE_PLAIN][slice]) ||
	       has_any(arena->x_remote[REMOTE_WALKED][slice]);
}

void remote_push(_Atomic(struct pool *) *list, struct pool *pool)
{
	static _Atomic bool x_locked; /* of a broken variant */
	struct pool *head = load_relaxed(list);

	while (BUG(push_locked) && exchange_acquire(&x_locked, true))
		;
	do {
		store_relaxed(&pool->bits->x_next, head);
		arn_yield_point("remote_push");
	} while (!cas_release(list, &head, pool)); /* R3 */
	if (BUG(push_locked))
		store_release(&x_locked, false);
}

/* With x_queued ours and no bits: take it back, unless the owner has seen it and waits for us. */
static bool try_unqueue(struct pool_bits *bits)
{
	uint32_t queued = QUEUED;

	return cas_seq(&bits->x_queued, &queued, UNQUEUED); /* R1 */
}

/*
 * Queue the pool unless it is queued.  Its descriptor may meanwhile stand for another pool, or
 * none: with no bits set there is nobody to tell.  With x_queued ours, and bits set or the owner
 * waiting, it is not released, so it stays the pool of the heap that x_heap names.  Returns the
 * heap that was told, or NULL.
 */
static struct heap *queue_pool(struct pool *pool, struct pool_bits *bits)
{
	uint32_t queued = UNQUEUED;

	for (; has_bits(pool) && cas_seq(&bits->x_queued, &queued, QUEUED);
	     queued = UNQUEUED) { /* R1 */
		arn_yield_point("remote_notify");
		if (has_bits(pool) || !try_unqueue(bits)) {
			struct heap *heap = load_acquire(&pool->x_heap); /* P1 */

			remote_push(&heap->x_pending, pool);
			return heap;
		}
	}
	return NULL;
}

static void (*drain_orphan)(struct heap *);

void remote_init(void (*drain)(struct heap *))
{
	drain_orphan = drain;
}

/* No owner refills from an orphan, so its blocks would wait for the next thread that adopts it.  A
 * thread that frees to orphans drains one of them now and then. */
static void meet_orphan(struct heap *heap)
{
	struct thread *thread = thread_peek();

	if (load_relaxed(&heap->x_owner) == OWNER_NONE && thread && drain_orphan &&
	    ++thread->orphans_met % 16 == 0)
		drain_orphan(heap);
}

void remote_send(struct pool *pool, unsigned word, uint64_t mask)
{
	struct pool_bits *bits = pool->bits;
	_Atomic uint64_t *x_remote = load_relaxed(&bits->x_remote);
	struct heap *told = NULL;
	bool was_queued = false;
	uint64_t old;

	reclaim_enter();
	if (BUG(queued_first))
		was_queued = load_seq(&bits->x_queued) != UNQUEUED;
	if (BUG(queued_first))
		arn_yield_point("remote_send");
	old = or_seq(&x_remote[word], mask); /* R1, R2 */
	if (unlikely(old & mask))
		panic_block("block freed twice, in word of pool", pool, NULL);
	arn_yield_point("remote_send");
	if (BUG(queued_first) ? !was_queued : load_seq(&bits->x_queued) == UNQUEUED) /* R1 */
		told = queue_pool(pool, bits);
	reclaim_exit();
	if (told)
		meet_orphan(told);
}

/* Blocks that somebody frees.  While one of them is not sent the pool stays what it is. */
static void send_freed(struct pool *pool, unsigned word, uint64_t mask)
{
	struct heap *heap = load_relaxed(&pool->x_heap);

	remote_send(pool, word, mask);
	if (!load_relaxed(&heap->x_freed))
		store_release(&heap->x_freed, true); /* R4 */
}

static void flush_gathered(struct thread *thread)
{
	uint64_t mask = thread->gathered;

	if (mask == 0)
		return;
	/* before the send: a child of fork may flush for a thread that was caught in between */
	thread->gathered = 0;
	send_freed(thread->pool, thread->word, mask);
}

void remote_flush(void)
{
	struct thread *thread = thread_peek();

	if (thread)
		flush_gathered(thread);
}

void remote_flush_all(void)
{
	for (struct thread *thread = thread_first(); thread; thread = thread->next)
		flush_gathered(thread);
}

static void gather_block(struct thread *thread, struct pool *pool, unsigned word, uint64_t bit,
                         const void *block, const void *caller)
{
	if (thread->pool != pool || thread->word != word || thread->gathered == 0) {
		flush_gathered(thread);
		thread->pool = pool;
		thread->word = word;
		order_for_fork(); /* a walk in the child sends what it finds gathered */
	} else if (unlikely(thread->gathered & bit)) {
		panic_block("block freed twice", block, caller);
	}
	thread->gathered |= bit;
}

/* By a thread that has nowhere to gather: thread.h. */
static cold void send_without_record(struct pool *pool, unsigned word, uint64_t bit)
{
	thread_count(&thread_none, &thread_none.x_remote_blocks[pool->tag], 1);
	thread_count(&thread_none, &thread_none.x_remote_bytes[pool->tag], pool->block_size);
	send_freed(pool, word, bit);
}

/* Pages of a block this large go back at once, wherever its owner sleeps. */
#define PURGE_AT_ONCE (4 * MIB)

void remote_free(struct pool *pool, void *block, const void *caller)
{
	struct thread *thread = thread_self();
	uint32_t index = pool_index(pool, block);
	uint64_t bit = (uint64_t)1 << index % 64;

	if (unlikely(!pool_is_block(pool, block)))
		panic_block("freed pointer is not the start of a block", block, caller);
	if (pool->cls == CLASS_LARGE && pool->block_size >= PURGE_AT_ONCE)
		sweep_whole(pool);
	if (unlikely(thread == &thread_none)) {
		send_without_record(pool, index / 64, bit);
		return;
	}
	count_add(&thread->x_remote_blocks[pool->tag], 1);
	count_add(&thread->x_remote_bytes[pool->tag], pool->block_size);
	if (pool->tag < ARN_TAG_GC && pool->cls != CLASS_LARGE)
		gather_block(thread, pool, index / 64, bit, block, caller);
	else
		send_freed(pool, index / 64, bit);
}

static void count_drained(struct heap *heap, struct pool *pool, unsigned n)
{
	count_add(&heap->x_drained_blocks, n);
	count_add(&heap->x_drained_bytes, n * pool->block_size);
	heap_count_home(heap, pool, n);
	if (pool->cls != CLASS_LARGE)
		sweep_given(heap, pool, n);
}

static void drain_pool(struct heap *heap, struct pool *pool)
{
	uint32_t before = pool_free_count(pool);
	unsigned n;

	if (!BUG(unqueue_last))
		exchange_seq(&pool->bits->x_queued, UNQUEUED); /* R1 */
	arn_yield_point("remote_drain");
	n = pool_drain(pool);
	if (BUG(unqueue_last))
		arn_yield_point("remote_drain");
	if (BUG(unqueue_last))
		exchange_seq(&pool->bits->x_queued, UNQUEUED);
	count_drained(heap, pool, n);
	if (n > 0 || pool_is_empty(pool)) /* empty: its release waited for this drain */
		heap_reclassify_pool(heap, pool, n > 0 ? before : pool->capacity);
}

static void drain_list(struct heap *heap, struct pool *pool)
{
	while (pool) {
		struct pool *next = load_relaxed(&pool->bits->x_next);

		drain_pool(heap, pool);
		pool = next;
	}
}

void remote_drain_all(struct heap *heap)
{
	drain_list(heap, exchange_acquire(&heap->x_pending, NULL)); /* R3 */
	if (BUG(forget_swept))
		return;
	if (load_relaxed(&heap->x_swept))
		drain_list(heap, exchange_acquire(&heap->x_swept, NULL)); /* R3 */
}

/* Somebody who is gone had taken pools out of the lists: all that are queued are put into one
 * again. */
void remote_fork_child(struct heap *heap)
{
	if (!load_relaxed(&heap->x_tended))
		return;
	store_relaxed(&heap->x_pending, NULL);
	store_relaxed(&heap->x_swept, NULL);
	for (struct pool *pool = heap->all_first; pool; pool = pool->all_next)
		if (load_seq(&pool->bits->x_queued) != UNQUEUED) /* R1 */
			remote_push(&heap->x_pending, pool);
	store_relaxed(&heap->x_tended, false);
}
