/* SPDX-License-Identifier: MIT
 *
 * remote.h - blocks that are freed by a thread which does not own their heap: how they return to
 * their pool.
 *
 * Each pool has a second bitmap, x_remote.  A remote free sets the block's bit; the block itself is
 * not written to.  The first free since the last drain also queues the pool on its heap's x_pending
 * list.  From there the owner, at its next refill, takes all pools and moves their bits to the free
 * bitmap.  A freeing thread gathers blocks of one word (up to 64) in its thread record and sets
 * their bits with one atomic operation; not so for the tags that a collector walks, whose walk must
 * be exact.
 *
 * Queued      x_queued is QUEUED from before the pool is pushed until it is drained.  A queued pool
 *             is not released: so a pool in a list is mapped.  A pool may fall empty while a free
 *             that was overtaken by a drain queues it again; then the owner says so (AWAITED), and
 *             the free pushes the pool, though it has no bits: the drain that follows releases it.
 *
 * Synchronization      free  flush  drain
 *     free              -      T      -      -  may run at the same time
 *     flush             T      T      -      T  the calling thread's own record
 *     drain             -      -      O      O  the owner of the heap
 * Ordering    R1  free: set bit, then read x_queued; drain: clear x_queued, then take bits.  All
 *                 seq_cst: in their one order either the drain sees the bit, or the free sees
 *                 UNQUEUED and, unless another free or drain is faster, queues the pool.
 *             R2  set bit (release) -> take bits (acquire): the block's contents.
 *             R3  x_pending, x_swept: push (release) -> drain (acquire): x_next.
 *             R4  x_freed: free, after the bit is set (release) -> look after, before it takes bits
 *                 (acquire): what is freed later is looked after later.  x_tended: end (release) ->
 *                 begin (acquire): x_swept is one thread's at a time to begin anew.
 * Looked after  While an owner waits, other threads give back the pages of what was freed to it.
 *             The pools that have been swept are in x_swept, queued still, and the owner drains
 *             both lists.  When x_pending is empty and more has been freed, all pools of x_swept
 *             are looked at again.
 * Progress    free and flush lock-free (the push), wait-free if the pool is queued; drain wait-free
 *             in the number of pools.  A thread stopped between set bit and push delays the drain
 *             of that pool, nothing else.
 * Existence   Once its last bit is set, the pool may be drained, released and its arena unmapped.
 *             So whatever the free does after that, it does in a section of reclaim.h.
 */
#ifndef ARN_REMOTE_H
#define ARN_REMOTE_H

#include "heap/thread.h"

/* Called once, at the start of the process: `drain` is how a heap without an owner is drained
 * (family.h, which is above this file). */
void remote_init(void (*drain)(struct heap *));
/* Free a block of another thread's heap, or of an orphan.  `pool` is the lead descriptor of the
 * pool that it lies in.  Any thread.  Panics if `block` is not the start of a block or is freed
 * twice. */
void remote_free(struct pool *pool, void *block, const void *caller);
/* Set the bits of `mask` in this remote word of the pool, and queue the pool.  The blocks are free,
 * and they are the caller's alone until then.  Any thread. */
void remote_send(struct pool *pool, unsigned word, uint64_t mask);
/* Set the bits that the calling thread has gathered. */
void remote_flush(void);
/* The same for every thread's record; only while the others are stopped, or gone. */
void remote_flush_all(void);
/* Drain: move the bits of all pools in x_pending and x_swept to the free bitmaps.  The user of the
 * heap. */
void remote_drain_all(struct heap *heap);
/*
 * Give back the pages on which nothing lies but blocks in the pool's remote words, though the owner
 * has not drained it.  Any thread, in a section of reclaim.h.
 *
 * The bits are taken out of the words meanwhile.  The thread that has a bit has the block, so the
 * pool stays what it is, and R2 brings its descriptor; without a bit, nothing but the words is
 * looked at.  Pools that a collector walks are left alone (their words are elsewhere), because its
 * walk must find each free block in one of the bitmaps.
 */
void remote_sweep(struct arena *arena, unsigned slice);
/* Give back the pages on which nothing but freed blocks lies, of a few queued pools of a heap whose
 * owner waits.  Any user of the family, while no thread walks it.  Nothing happens if another
 * thread is at it.  newest: also of the pool that was queued last, to which more may be freed
 * just now. */
void remote_look_after(struct heap *heap, bool newest);
/* Push the pool onto one of the two lists of a heap.  It is queued, and in neither list. */
void remote_push(_Atomic(struct pool *) *list, struct pool *pool);
/* In the child of a fork: repair the lists of a heap that no thread was changing. */
void remote_fork_child(struct heap *heap);

/*
 * The short way of remote_free: most blocks that a thread frees to another one lie beside the block
 * that it freed before.  The block is added to those that the calling thread has gathered, if these
 * are of the same word.  false: nothing was done, and remote_free has to look.  `pool` is the lead
 * descriptor.
 *
 * The pool is `open` only while a gathered block keeps it as it is, so nothing of it is asked that
 * was asked of that block.
 */
static inline bool remote_gather(const struct pool *pool, const void *block)
{
	struct thread *thread = thread_peek();
	uint32_t index;
	uint64_t bit;

	if (!thread || thread->open != pool)
		return false;
	index = pool_index(pool, block);
	bit = (uint64_t)1 << index % 64;
	if (unlikely(index / 64 != thread->word || (thread->gathered & bit) != 0 ||
	             !pool_begins_at(pool, index, block)))
		return false;
	count_add(&thread->x_remote_blocks[thread->gathered_row], 1);
	count_add(&thread->x_remote_bytes[thread->gathered_row], pool->block_size);
	thread->gathered |= bit;
	return true;
}

/* Drain if there is anything to drain.  The user of the heap. */
static inline void remote_drain(struct heap *heap)
{
	if (unlikely(load_relaxed(&heap->x_pending) || load_relaxed(&heap->x_swept)))
		remote_drain_all(heap);
}

#endif
