/* SPDX-License-Identifier: MIT
 *
 * types.h - struct heap: all pools of one tag for one thread state, with their pool cache; and the
 * families of heaps.
 *
 * Owner       one thread, or none: then the heap is an orphan, in its family's stack.  x_owner
 *             holds the number of the owner (owner.h).  Every field without x_ belongs to the
 *             "user" of the heap.  That is its owner; of an orphan, the thread that has moved
 *             x_owner away from OWNER_NONE; and while all users of the family are stopped, a
 *             walker.  A heap whose owner has passed it on, or has ended, belongs to the thread
 *             that has the handle.
 * Lifetime    made by family_adopt, never freed: orphaned and adopted again, whole, with its cache
 *             and pools.
 * States      owned -> orphan (OWNER_NONE) -> owned ...
 *             orphan <-> OWNER_DRAINING
 *             orphan -> OWNER_ENDING, when the embedder's state has ended -> orphan; or
 *             OWNER_STRANDED, if a collector walks this tag and the heap still has pools
 *             OWNER_DRAINING -> OWNER_ENDING, by the thread that ends the state: the drainer then
 *             does what remains
 *             owned -> OWNER_PASSED -> owned by another thread, with the same handle
 *             a fork may leave a heap OWNER_STRANDED, too (process.c)
 * Invariant   x_out_blocks - x_home_blocks == blocks that are live, in the pool cache, or in a
 *             remote word; the same of the bytes.  All four only grow.
 *             a pool is in the list of partial pools exactly when its x_free_count != 0
 *
 * Synchronization      malloc  free(own)  free(other)  abandon  adopt  drain  visit
 *     malloc              O        O           -          O       -      -      X
 *     free(own)           O        O           -          O       -      -      X
 *     free(other)         -        -           -          -       -      -      X
 *     abandon             O        O           -          O       -      -      X
 *     adopt, drain        -        -           -          -       -      -      X
 *     -  may run at the same time
 *     O  both are calls of the owner, which come one at a time
 *     X  only while the users of the family are stopped
 * Ordering    H1  x_owner: abandon, end of drain and of ending (release) -> adopt, drain, ending
 *                 (acquire, by compare-and-swap from OWNER_NONE): all plain fields.  The stack of
 *                 orphans only says where to look.
 *             H2  x_owner: read relaxed by free; equal to the reader's own number only if that
 *                 thread wrote it.
 *             When a heap was passed on, or its owner has ended, the caller orders the thread that
 *             has the handle now after the former owner.
 */
#ifndef ARN_TYPES_H
#define ARN_TYPES_H

#include "heap/owner.h"
#include "arena/pool.h"
#include "base/stack.h"
#include "base/table.h"

#include <arenite/arenite.h>

/* The pool cache of one class: ready blocks, last in first out.  x_base <= x_top <= limit. */
struct bin {
	_Atomic(void **) x_top;
	_Atomic(void **) x_base; /* written by the owner; statistics read it */
	void **limit;
	uint16_t level; /* which array: level_slots of cache.c */
	uint16_t moves; /* refills and flushes at this level */
	uint16_t cap;   /* the most blocks that the budget allows */
};
static_assert(sizeof(struct bin) == 32, "bins are indexed by shift");

/* The sizes, in blocks, of the arrays that a bin may have.  At level 0 it has none: the class is
 * rarely used, and without ready blocks its pool can be released when it is empty. */
#define LEVELS         4
#define LEVEL1         16u
#define LEVEL2         128u
#define LEVEL3         2048u /* for the classes up to 256 bytes only */
#define LEVEL3_CLASSES 16u

/* The most runs of slices that a heap keeps for its next pools: stock.h. */
#define STOCK_RUNS 8u

struct heap {
	/* For collectors: the thread pointer of the owner, or 0.  It says nothing about
	 * ownership.  Programs have its offset compiled in (ARN_LAYOUT_OWNER), so it comes before
	 * everything whose size may change. */
	alignas(CACHE_LINE) _Atomic uintptr_t x_thread;
	/* Read by every free: the owner's number, or a value of owner.h. */
	_Atomic uintptr_t x_owner;
	arn_family *family;
	uint8_t tag;
	uint8_t row;   /* of the statistics: the tag, or ROW_NAMES */
	bool deferred; /* empty pools wait for the family's provider */
	bool external; /* an embedder's handle owns it, not a thread record: fork leaves it alone */
	bool sampled;  /* its blocks are samples, and no thread keeps it: sample.h */
	_Atomic unsigned x_depth; /* of an orphan, in the family's stack: the last one has 1 */
	/* Handles lead to the face of a heap, and from there `self` leads to the heap.  Both are
	 * the heap itself, unless its blocks are counted for option PROFILE: sample.h. */
	struct heap *self, *face;
	size_t left;       /* of a meter: bytes up to the next point; else 0 */
	STACK_NODE orphan; /* in one of the family's stacks */
	struct heap *next; /* in the family's list of all heaps */

	/* The owner's.  The last bin is full and empty at once: it is that of large blocks. */
	alignas(CACHE_LINE) struct bin bin[CLASSES + 1];

	/* written by other threads */
	alignas(CACHE_LINE) _Atomic(struct pool *) x_pending; /* remote.h */
	_Atomic(struct pool *) x_swept; /* remote.h: looked after, and queued still */
	_Atomic unsigned x_pendings;    /* pools pushed onto x_pending: pending.h */
	_Atomic unsigned x_usual;       /* how many the owner usually finds there; the owner's */
	_Atomic bool x_freed;           /* a block was freed to it since x_swept was begun */
	_Atomic bool x_tended;          /* a thread looks after it: remote.h, tend.h */
	/* idle.h: x_slow_paths at the last look, and in the lower half when (ms) that number was
	 * seen first */
	_Atomic uint64_t x_idle;

	/* stock.h: runs that fell free.  grant.h: the grant for them, and the part of it that is
	 * borrowed, in bytes.  Other threads may take all of these away. */
	alignas(CACHE_LINE) _Atomic uintptr_t x_stock[STOCK_RUNS];
	_Atomic size_t x_grant, x_borrowed;
	/* The owner's: the most bytes that it kept since grant_rest, and when that was (ms);
	 * whether it may borrow. */
	size_t grant_most;
	unsigned grant_begun;
	bool grant_busy;
	/* How many pools fell empty, and how many of the next ones did not come from the stock;
	 * both are halved each time. */
	uint8_t stock_released, grant_missed;
	/* A bit for each run: not touched since stock_rest; there, unless another took it. */
	uint8_t stock_unused, stock_filled;

	/* wait.h: the last empty pools that wait for readers, the newest first.  Other threads may
	 * take them away; W4. */
	_Atomic(struct pool *) x_wait;
	/* The owner's, of those pools unless they were taken: bytes, and how many there are; their
	 * classes, and the lowest goal.  How many polls are passed over now, and after the next one
	 * in vain. */
	_Atomic size_t x_wait_bytes;
	uint64_t wait_classes, wait_goal;
	uint8_t wait_pools, wait_skip, wait_skips;

	/* the owner's */
	/* circular: the first one's prev is the last */
	alignas(CACHE_LINE) struct pool *partial[CLASSES];
	struct pool *all_first, *all_last;
	/* In the family's list of heaps to walk.  A walker changes it, too. */
	struct heap *walk_next;
	struct heap *tended; /* tend.h: the heap that the owner looked at last */
	bool in_walk;
	bool cache_is_empty; /* true: a walk has flushed this orphan's cache */
	/* sweep.h: pools with pages that may go back, the oldest first */
	struct pool *sweep_first, *sweep_last;
	_Atomic size_t x_unswept; /* bytes: sweep.h; written by the owner */
	size_t unswept_published; /* what the sum of sweep.c has of it */
	size_t unswept_most;      /* what might be unswept in all heaps at the last look */
	/* The number of the thread that changes the heap now, or 0.  In a child of fork it says
	 * that the heap was caught half changed, and cannot be trusted. */
	_Atomic uintptr_t x_busy;
	_Atomic bool x_trim;           /* asked to trim: arn_trim, sweep.c */
	bool sweeping;                 /* its pages went back, and no refill came since */
	_Atomic unsigned x_slow_paths; /* times that the owner has entered one */

	/* statistics: written by the owner only */
	_Atomic size_t x_out_blocks, x_out_bytes;         /* that have left their pools, ever */
	_Atomic size_t x_home_blocks, x_home_bytes;       /* that have returned to them, ever */
	_Atomic size_t x_drained_blocks, x_drained_bytes; /* freed by others */
	_Atomic size_t x_pools, x_pool_bytes;
};

static_assert(offsetof(struct heap, x_thread) == ARN_LAYOUT_OWNER, "as published");
static_assert(offsetof(struct arena, pool) == ARN_LAYOUT_POOLS, "as published");
static_assert(sizeof(struct pool) == ARN_LAYOUT_POOL && offsetof(struct pool, x_heap) == 0,
              "as published");
static_assert(ARENA_SHIFT == ARN_LAYOUT_ARENA_SHIFT && SLICE_SHIFT == ARN_LAYOUT_SLICE_SHIFT,
              "as published");

/* The bin of a class: one shift and one addition.  Left alone, gcc computes the address once for
 * each field, and adds the offset of the array in an instruction of its own. */
static inline struct bin *heap_bin(struct heap *heap, size_t cls)
{
	char *at = (char *)heap + cls * sizeof(struct bin);

	__asm__("" : "+r"(at));
	return (struct bin *)(at + offsetof(struct heap, bin));
}

/* What a handle points to before its first malloc: all bins empty. */
extern struct heap heap_none;

/* The heap of all blocks in cells (cell.h).  It is never used, and no thread owns it. */
extern struct heap cell_heap;

/* Set up a new heap, which has no owner yet. */
void heap_init(struct heap *heap, arn_family *family, unsigned tag);
/* How many heaps exist, at least 1. */
size_t heap_count(void);

/* A handle without a heap: its first malloc gets it one. */
static inline void handle_init(arn_heap *handle, arn_family *family, enum arn_tag tag)
{
	handle->heap = &heap_none;
	handle->family = family;
	handle->tag = tag;
}

/* The heap of a handle; heap_none if it has none. */
static inline struct heap *handle_heap(const arn_heap *handle)
{
	return handle->heap->self;
}

#define LIMBO_STACKS (ARN_TAGS * (CLASSES + 1u))
#define LIMBO_WORDS  ((LIMBO_STACKS + 63) / 64)

/* The counters of remote frees: a row for each tag, and one for the blocks of MEM that the libc
 * names have made (lib/malloc). */
#define ROW_NAMES ((unsigned)ARN_TAGS)
#define ROWS      (ARN_TAGS + 1u)

/* heaps by family: family.h */
struct arn_family {
	const struct arn_provider *provider;
	_Atomic(struct heap *) x_heaps; /* all, newest first; F1 */
	/* The heaps, by tag, that may hold a block.  A walk drops heaps without an owner and
	 * without a pool; the thread that adopts such a heap puts it back.  F2 */
	_Atomic(struct heap *) x_walked[ARN_TAGS];
	_Atomic(struct arn_family *) x_next;
	bool names; /* its blocks of MEM are those of the libc names */
	/* By the address of the embedder's state and by the provider.  When another state begins at
	 * that address, the family serves it.  Not of arn_family_new. */
	struct table_node by_state;

	/* Written by every thread that starts or ends; what is above mostly stays as it is. Orphans
	 * are here as they were left, but no more than a few.  The others are `emptied`. */
	alignas(CACHE_LINE) struct stack orphans[ARN_TAGS];
	struct stack emptied[ARN_TAGS];
	struct stack sampled[ARN_TAGS]; /* those whose blocks are samples */

	/* limbo.h: how many pools wait; which stacks have pools, as a guess; the stacks, by tag and
	 * class. */
	alignas(CACHE_LINE) _Atomic size_t x_waiting;
	_Atomic unsigned x_vain; /* tend.h: when nothing was due the last time, ms */
	_Atomic uint64_t x_filled[LIMBO_WORDS];
	/* the goal at which the last poll of a stack ended, because it was not reached, or 0 */
	_Atomic uint64_t x_unreached[LIMBO_STACKS];
	struct stack limbo[LIMBO_STACKS];

	/* cell-wait.h: cells whose blocks readers may look at, the newest first; C4.  And the goal
	 * at which the last look ended, or 0. */
	alignas(CACHE_LINE) _Atomic(struct cell_wait *) x_cells;
	_Atomic uint64_t x_cells_unreached;
};

/* The family of the libc names (lib/malloc).  They have heaps, and so pools, of their own, by which
 * they are counted apart. */
extern arn_family family_of_names;

/* May the calling thread ask the family's provider, and work on heaps without an owner? */
static inline bool family_is_user(const arn_family *family)
{
	const struct arn_provider *provider = family->provider;

	return !provider || !provider->is_user || provider->is_user(family);
}

/* n blocks have left the pool.  The user of the heap. */
static inline void heap_count_out(struct heap *heap, const struct pool *pool, size_t n)
{
	count_add(&heap->x_out_blocks, n);
	count_add(&heap->x_out_bytes, n * pool->block_size);
}

/* n blocks have returned to the pool.  The user of the heap. */
static inline void heap_count_home(struct heap *heap, const struct pool *pool, size_t n)
{
	count_add(&heap->x_home_blocks, n);
	count_add(&heap->x_home_bytes, n * pool->block_size);
}

/* How many blocks of the heap are outside their pools.  What is home is read first: while the owner
 * is at work the answer may be too large, and is never below zero. */
static inline size_t heap_out_blocks(const struct heap *heap)
{
	size_t home = load_relaxed(&heap->x_home_blocks);

	return load_relaxed(&heap->x_out_blocks) - home;
}

/* The same in bytes. */
static inline size_t heap_out_bytes(const struct heap *heap)
{
	size_t home = load_relaxed(&heap->x_home_bytes);

	return load_relaxed(&heap->x_out_bytes) - home;
}

/* Called before anything that changes a heap in more than one store, by its owner or a walker;
 * heap_end is called after it.  (The thread that works on an orphan alone has it as OWNER_DRAINING,
 * which says the same.)  A child of fork has a prefix of the stores of each other thread, so it
 * finds x_busy set when the heap is half changed. */
static inline void heap_begin(struct heap *heap)
{
	store_relaxed(&heap->x_busy, owner_self());
	order_for_fork();
}

static inline void heap_end(struct heap *heap)
{
	order_for_fork();
	store_relaxed(&heap->x_busy, 0);
}

/* The owner begins a slow path. */
static inline void heap_enter(struct heap *heap)
{
	heap_begin(heap);
	count_add(&heap->x_slow_paths, 1);
	arn_yield_point("heap_enter");
}

static inline void heap_exit(struct heap *heap)
{
	heap_end(heap);
}

#endif
