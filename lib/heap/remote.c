/* SPDX-License-Identifier: MIT */
#include "heap/remote.h"

#include "base/option.h"
#include "base/panic.h"
#include "arena/reclaim-reader.h"
#include "arena/reclaim.h"
#include "heap/heap.h"
#include "heap/idle.h"
#include "heap/pending.h"
#include "heap/queued.h"
#include "heap/sample.h"
#include "heap/sweep.h"
#include "heap/thread.h"
#include "arena/retain.h"

/* Is any bit set in these words? */
static bool has_any(const _Atomic uint64_t *x_remote)
{
	for (unsigned word = 0; word < POOL_WORDS; word++)
		if (load_seq(&x_remote[word]) != 0) /* R1 */
			return true;
	return false;
}

/* Has the pool that is here now any bits set?  Its descriptor may have changed hands, so both kinds
 * of words are looked at; x_remote only says which to look at first. */
static bool has_bits(const struct pool *pool)
{
	struct arena *arena = arena_at(pool);
	size_t slice = (size_t)(pool - arena->pool);

	return has_any(load_relaxed(&arena->pool[slice].x_remote)) ||
	       has_any(arena->x_remote[REMOTE_PLAIN][slice]) ||
	       has_any(arena->x_remote[REMOTE_WALKED][slice]);
}

/* The push repeats while other pushes are faster.  The owner takes the whole list with one
 * exchange, so no pool is popped singly and there is no ABA. */
void remote_push(_Atomic(struct pool *) *list, struct pool *pool)
{
	static _Atomic bool x_locked; /* of a broken variant */
	struct pool *head = load_relaxed(list);

	while (BUG(push_locked) && exchange_acquire(&x_locked, true))
		;
	do {
		store_relaxed(&queue_entry(pool)->x_next, head);
		arn_yield_point("remote_push");
	} while (!cas_release(list, &head, pool)); /* R3 */
	if (BUG(push_locked))
		store_release(&x_locked, false);
}

/* The caller has set QUEUED and found no bits: a drain has taken them.  Undo it.  false: the owner
 * has seen QUEUED, and waits for the push (AWAITED). */
static bool try_unqueue(struct queue_entry *entry)
{
	uint32_t queued = QUEUED;

	return cas_seq(&entry->x_queued, &queued, UNQUEUED); /* R1 */
}

/*
 * Queues the pool, unless it is queued.  Its descriptor may be that of another pool by now, or of
 * none: when no bits are set there is nothing to do.
 *
 * Holding QUEUED with a bit set, or with the owner awaiting the push, keeps the pool from being
 * released, so x_heap is stable.  If the bits have vanished, because a drain was faster, QUEUED is
 * undone, and the bits are looked at once more: a free may have found QUEUED and left the push to
 * this thread.  Returns the heap on whose list the pool was pushed, or NULL.
 */
static struct heap *queue_pool(struct pool *pool, struct queue_entry *entry)
{
	uint32_t queued = UNQUEUED;

	for (; has_bits(pool) && cas_seq(&entry->x_queued, &queued, QUEUED);
	     queued = UNQUEUED) { /* R1 */
		arn_yield_point("remote_notify");
		if (has_bits(pool) || !try_unqueue(entry)) {
			struct heap *heap = load_acquire(&pool->x_heap); /* P1 */

			remote_push(&heap->x_pending, pool);
			return heap;
		}
	}
	return NULL;
}

static void (*drain_orphan)(struct heap *); /* written while there is one thread */

void remote_init(void (*drain)(struct heap *))
{
	drain_orphan = drain;
}

/* No owner refills from an orphan, so its blocks would wait for the next thread that adopts it.
 * Whoever has queued the last of PENDING_STEP pools on an orphan drains it. */
static void meet_orphan(struct heap *heap)
{
	if (load_relaxed(&heap->x_owner) == OWNER_NONE && thread_peek() && drain_orphan)
		drain_orphan(heap);
}

/* How many pools may wait for this owner.  One who is at work drains them in its next slow path and
 * uses their pages again, so twice as many as it usually finds may wait for it.  One who waits has
 * a share of what may wait for all owners. */
static size_t most_pending(struct heap *heap)
{
	size_t least = max_size(PENDING_STEP, PENDING_MANY / heap_count());
	size_t usual = min_size(2 * load_relaxed(&heap->x_usual), PENDING_MANY);

	if (usual <= least || heap_is_idle(heap, HEAP_IDLE_FULL) || BUG(meet_at_work))
		return least;
	return usual;
}

/* An owner who allocates drains what is freed to it.  If many pools wait for an owner, and all that
 * wait are more than may be kept, then whoever frees gives back the pages of a few of them. */
static void meet_owner(struct heap *heap)
{
	if (BUG(meet_nobody) || load_relaxed(&heap->x_pendings) < most_pending(heap) ||
	    !retain_is_exceeded(pending_bytes()))
		return;
	if (load_relaxed(&heap->x_owner) >= OWNER_FIRST && family_is_user(heap->family))
		remote_look_after(heap, false);
}

/* Sets the bits and, if the pool is not queued, queues it.  The order matters (R1): the bit is set
 * before x_queued is read, while a drain clears x_queued before it takes bits.  Once the last bit
 * is set the pool may be gone, so the rest runs in a section of reclaim.h.  A bit that is set
 * already was freed twice: that ends the program.  A thread that is stopped in here delays the
 * drain of this pool and nothing else. */
void remote_send(struct pool *pool, unsigned word, uint64_t mask)
{
	struct queue_entry *entry = queue_entry(pool);
	_Atomic uint64_t *x_remote = load_relaxed(&pool->x_remote);
	struct heap *told = NULL;
	bool was_queued = false;
	uint64_t old;

	reclaim_enter();
	if (BUG(queued_first))
		was_queued = load_seq(&entry->x_queued) != UNQUEUED;
	if (BUG(queued_first))
		arn_yield_point("remote_send");
	old = or_seq(&x_remote[word], mask); /* R1, R2 */
	if (unlikely(old & mask))
		panic_block("block freed twice",
		            pool->base + (word * 64 + lowest_bit(old & mask)) * pool->block_size,
		            NULL);
	arn_yield_point("remote_send");
	if (BUG(queued_first) ? !was_queued : load_seq(&entry->x_queued) == UNQUEUED) /* R1 */
		told = queue_pool(pool, entry);
	reclaim_exit();
	if (told && pending_add(told, 1)) {
		meet_orphan(told);
		meet_owner(told);
	}
}

/* Sends blocks that the program has freed.  The heap is read before: as long as one block is not
 * sent, the pool stays what it is.  x_freed tells threads that look after the heap that there is
 * more to do (R4). */
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
	/* Before the send: the child of a fork flushes for a thread that was caught in between, and
	 * must not set the bits a second time. */
	thread->open = NULL;
	order_for_fork();
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

/* May remote_gather add blocks of this pool without a look at them?  With option CHECKS, and for
 * samples, each free is looked at. */
static bool may_open(const struct pool *pool)
{
	return option(OPTION_CHECKS) == 0 && !sample_is(pool);
}

/* Adds the block to those of its word that the thread has gathered.  A block of another word sends
 * these off first.  The pool is open last: an open pool has a block that was gathered, also where a
 * fork catches the thread. */
static void gather_block(struct thread *thread, struct pool *pool, unsigned word, uint64_t bit,
                         const void *block, const void *caller)
{
	if (thread->pool != pool || thread->word != word || thread->gathered == 0) {
		flush_gathered(thread);
		thread->pool = pool;
		thread->word = word;
		thread->gathered_row = load_relaxed(&pool->x_heap)->row;
		order_for_fork(); /* a walk in the child sends what it finds gathered */
	} else if (unlikely(thread->gathered & bit)) {
		panic_block("block freed twice", block, caller);
	}
	thread->gathered |= bit;
	order_for_fork();
	thread->open = may_open(pool) ? pool : NULL;
}

/* A thread without a record (thread.h) has nowhere to gather: the block is sent at once.  The
 * section in which that happens takes no record of a reader either. */
static cold void send_without_record(struct pool *pool, unsigned word, uint64_t bit)
{
	unsigned row = load_relaxed(&pool->x_heap)->row;
	bool guest = !reader_own;

	thread_count(&thread_none, &thread_none.x_remote_blocks[row], 1);
	thread_count(&thread_none, &thread_none.x_remote_bytes[row], pool->block_size);
	if (guest)
		reader_enter_as_guest();
	send_freed(pool, word, bit);
	if (guest)
		reader_exit_as_guest();
}

/* A thread that has allocated nothing gets its record with this free.  While a thread ends, and its
 * last destructors have run, libc still frees a block or two in it.  A record that it got then
 * would never be handed back. */
#define FREES_WITHOUT_RECORD 8u
static __thread unsigned frees_without_record;

/* The calling thread's record; thread_none if it has none, or is not to have one yet. */
static struct thread *record_for_free(void)
{
	if (likely(thread_peek() != NULL))
		return thread_peek();
	if (BUG(record_at_any_free))
		return thread_self();
	return ++frees_without_record < FREES_WITHOUT_RECORD ? &thread_none : thread_self();
}

/* Pages of a block this large go back at once, in the thread that frees it, because its owner may
 * sleep. */
#define PURGE_AT_ONCE (4 * MIB)

/* Blocks of tags without a walk are gathered; those of a collector's tags, and large ones, are sent
 * at once.  The pages of a very large block go back first, while the block is still the caller's.
 * Counting is in the thread's record, so that threads do not share a counter. */
void remote_free(struct pool *pool, void *block, const void *caller)
{
	struct thread *thread = record_for_free();
	uint32_t index = pool_index(pool, block);
	uint64_t bit = (uint64_t)1 << index % 64;
	unsigned row = load_relaxed(&pool->x_heap)->row;

	if (unlikely(!pool_begins_at(pool, index, block)))
		panic_block("freed pointer is not the start of a block", block, caller);
	if (pool->cls == CLASS_LARGE && pool->block_size >= PURGE_AT_ONCE)
		sweep_whole(pool);
	if (unlikely(thread == &thread_none)) {
		send_without_record(pool, index / 64, bit);
		return;
	}
	count_add(&thread->x_remote_blocks[row], 1);
	count_add(&thread->x_remote_bytes[row], pool->block_size);
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

/* Moves the remote bits of one queued pool to its free bitmap.  x_queued is cleared first (R1): a
 * free that sets a bit after the words were taken sees UNQUEUED and queues the pool again.  The
 * pool may have become partial, or empty and so be released; a pool that was empty before and could
 * not be released because it was queued is released now. */
static void drain_pool(struct heap *heap, struct pool *pool)
{
	uint32_t before = pool_free_count(pool);
	unsigned n;

	if (!BUG(unqueue_last))
		exchange_seq(&queue_entry(pool)->x_queued, UNQUEUED); /* R1 */
	arn_yield_point("remote_drain");
	n = pool_drain(pool);
	if (BUG(unqueue_last))
		arn_yield_point("remote_drain");
	if (BUG(unqueue_last))
		exchange_seq(&queue_entry(pool)->x_queued, UNQUEUED);
	count_drained(heap, pool, n);
	if (n > 0 || pool_is_empty(pool)) /* an empty one waited for this drain */
		heap_reclassify_pool(heap, pool, n > 0 ? before : pool->capacity);
}

/* The next pool is read first: the drain may release this one, or another free may queue it again.
 * Returns how many there were. */
static unsigned drain_list(struct heap *heap, struct pool *pool)
{
	unsigned n = 0;

	for (; pool; n++) {
		struct pool *next = load_relaxed(&queue_entry(pool)->x_next);

		drain_pool(heap, pool);
		pool = next;
	}
	return n;
}

/* Each list is taken with one exchange.  Pools that are pushed later are for the next drain. */
void remote_drain_all(struct heap *heap)
{
	unsigned n = drain_list(heap, exchange_acquire(&heap->x_pending, NULL)); /* R3 */

	pending_take(heap);
	if (BUG(forget_swept))
		return;
	if (load_relaxed(&heap->x_swept))
		n += drain_list(heap, exchange_acquire(&heap->x_swept, NULL)); /* R3 */
	pending_note(heap, n);
}

/* A thread that is gone was looking after this heap, and had taken pools out of its lists.  Both
 * lists are made anew from the pools of the heap that are queued. */
void remote_fork_child(struct heap *heap)
{
	if (!load_relaxed(&heap->x_tended))
		return;
	store_relaxed(&heap->x_pending, NULL);
	store_relaxed(&heap->x_swept, NULL);
	for (struct pool *pool = heap->all_first; pool; pool = pool->all_next)
		if (load_seq(&queue_entry(pool)->x_queued) != UNQUEUED) /* R1 */
			remote_push(&heap->x_pending, pool);
	store_relaxed(&heap->x_tended, false);
}
