/* SPDX-License-Identifier: MIT
 *
 * remote.h - blocks freed by a thread that does not own their heap: they go home.
 *
 * Each pool has a second bitmap, x_remote.  A remote free sets the block's bit; the block itself is
 * not written to.  The first free since the last drain also queues the pool on its heap's x_pending
 * list, from which the owner, at its next refill, takes all pools and moves their bits to the free
 * bitmap.  A freeing thread gathers blocks of one word (up to 64) in its thread record and sets
 * them with one atomic operation; not so for the tags that a collector walks, whose walk must be
 * exact.
 *
 * Queued      x_queued is QUEUED from before the pool is pushed until it is drained.  A queued pool
 *             is not released: so a pool in a list is mapped.  A pool may fall empty while a free
 *             that was overtaken by a drain queues it again; then the owner says so (AWAITED), and
 *             the free pushes it, though it has no bits: the drain that follows releases it.
 *
 * Synchronization      free  flush  drain       - free, O owner of the heap, T own thread record
 *     free              -      T      -
 *     drain             -      -      O
 * Ordering    R1  free: set bit, then read x_queued; drain: clear x_queued, then take bits.  All
 *                 seq_cst: in their one order either the drain sees the bit, or the free sees
 *                 UNQUEUED and, unless another free or drain is faster, queues the pool.
 *             R2  set bit (release) -> take bits (acquire): the block's contents.
 *             R3  x_pending: push (release) -> drain (acquire): x_next.
 *             R4  x_freed: free, after the bit is set (release) -> look after, before it takes bits
 *                 (acquire): what comes later is looked after later.  x_tended: end (release) ->
 *                 begin (acquire): x_swept is one thread's to begin anew.
 * Looked after  of an owner that waits, the pages go back: the pools that have been swept are in
 *             x_swept, queued still, and the owner drains both lists.  When there is nothing left
 *             in x_pending and more has been freed, all of them are looked at again.
 * Progress    free and flush lock-free (the push), wait-free if the pool is queued; drain wait-free
 *             in the number of pools.  A thread stopped between set bit and push delays the
 *             home-coming of that pool's blocks, nothing else.
 * Existence   once its last bit is set, the pool may be drained, released and its arena unmapped:
 *             what follows runs in a section of reclaim.h.
 */
#ifndef ARN_REMOTE_H
#define ARN_REMOTE_H

#include "heap/types.h"

/* Once, at the start of the process: how a heap without an owner is drained (family.h, which is
 * above this file). */
void remote_init(void (*drain)(struct heap *));
/* block lies in pool (a lead) and belongs to another thread's heap, or nobody's */
void remote_free(struct pool *pool, void *block, const void *caller);
/* These blocks of a pool are free, and the caller's to say so. */
void remote_send(struct pool *pool, unsigned word, uint64_t mask);
/* Send off what this thread has gathered. */
void remote_flush(void);
/* The same for every thread; only while the others are stopped. */
void remote_flush_all(void);
/* Take in all that other threads have freed to this heap. */
void remote_drain_all(struct heap *heap);
/*
 * Any thread, in a section of reclaim.h: pages that nothing but freed blocks in remote words lie on
 * go back, though the owner has not taken them home.  The bits are taken out of the words
 * meanwhile: whoever has a bit has the block, so the pool stays what it is, and R2 brings its
 * descriptor.  Without a bit nothing but the words is looked at.  Pools that a collector walks have
 * words elsewhere: its walk must find each free block in one of the bitmaps.
 */
void remote_sweep(struct arena *arena, unsigned slice);
/* For an owner that waits: pages of a few pools, on which nothing but blocks that others have freed
 * lies, go back.  Nobody walks the family meanwhile.  Nothing if somebody else is at it. */
void remote_look_after(struct heap *heap);
/* Onto one of the two lists of a heap; the pool is queued, and in neither. */
void remote_push(_Atomic(struct pool *) *list, struct pool *pool);
/* In the child of a fork, of a heap that was not half done. */
void remote_fork_child(struct heap *heap);

static inline void remote_drain(struct heap *heap)
{
	if (unlikely(load_relaxed(&heap->x_pending) || load_relaxed(&heap->x_swept)))
		remote_drain_all(heap);
}

#endif
