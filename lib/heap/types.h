/* SPDX-License-Identifier: MIT
 *
 * types.h - struct heap: all pools of one tag for one thread state, with their pool cache; and the
 * families of heaps.
 *
 * Owner       one thread, or none: an orphan, in its family's stack.  x_owner holds the number of
 *             the owner (owner.h).  Everything without x_ belongs to the owner; of an orphan, to
 *             whoever moved x_owner from OWNER_NONE, and to a walker while all users of the family
 *             are stopped.  A heap whose owner has passed it on, or has ended, belongs to whoever
 *             has the handle.
 * Lifetime    made by family_adopt, never freed: orphaned and adopted again, whole, with cache and
 *             pools.
 * States      owned -> orphan (OWNER_NONE) -> owned ...       orphan <-> OWNER_DRAINING
 *             orphan -> OWNER_ENDING -> orphan, if it is empty; else OWNER_STRANDED: its embedder's
 *             state has ended OWNER_DRAINING -> OWNER_ENDING, by who says that it has ended: the
 *             drainer does what follows owned -> OWNER_PASSED -> owned by another, with the same
 *             handle a fork may leave it OWNER_STRANDED, too (process.c)
 * Invariant   x_out_blocks == blocks that are live, in the pool cache, or in a remote word;
 *             x_out_bytes: their bytes a pool is in the list of partial pools exactly when its
 *             x_free_count != 0
 *
 * Synchronization      malloc  free(own)  free(other)  abandon  adopt  drain  visit    - free, X
 *     users stopped
 *     malloc              O        O           -           O       -     -     X      O the owner,
 *                         one at a time
 *     free(own)           O        O           -           O       -     -     X
 *     free(other)         -        -           -           -       -     -     X
 *     abandon             O        O           -           O       -     -     X
 *     adopt, drain         -        -           -           -       -     -     X
 * Ordering    H1  x_owner: abandon, end of drain and of ending (release) -> adopt, drain, ending
 *                 (acquire, by compare-and-swap from OWNER_NONE): all plain fields.  The stack of
 *                 orphans only says where to look.
 *             H2  x_owner: read relaxed by free; equal to the reader's own number only if that
 *                 thread wrote it.
 *             Who has the handle of a heap that was passed on, or whose owner has ended, is ordered
 *             after the former owner by the caller.
 */
#ifndef ARN_TYPES_H
#define ARN_TYPES_H

#include "heap/owner.h"
#include "arena/pool.h"
#include "base/stack.h"

#include <arenite/arenite.h>

/* The pool cache of one class: ready blocks, last in first out.  x_base <= x_top <= limit. */
struct bin {
	_Atomic(void **) x_top;
	_Atomic(void **) x_base; /* written by the owner; statistics read it */
	void **limit;
	uint16_t level; /* which array: LEVEL_SLOTS */
	uint16_t moves; /* refills and flushes at this level */
	uint16_t cap;   /* most blocks that the budget allows */
};
static_assert(sizeof(struct bin) == 32, "bins are indexed by shift");

#define LEVELS                                                                                  \
	4 /* at level 0 a class is rarely used: no cache, so that its pool can leave when it is \
	     empty */
#define LEVEL1         16u
#define LEVEL2         128u
#define LEVEL3         2048u /* for the classes up to 256 bytes only */
#define LEVEL3_CLASSES 16u

struct heap {
	/* For collectors: the thread pointer of the owner, or 0.  It tells nothing about
	 * ownership.  Programs have its offset compiled in (ARN_LAYOUT_OWNER), so it comes before
	 * everything whose size may change. */
	alignas(CACHE_LINE) _Atomic uintptr_t x_thread;
	/* read by every free */
	_Atomic uintptr_t x_owner;
	arn_family *family;
	uint8_t tag;
	bool deferred; /* empty pools wait for the family's provider */
	bool external; /* an embedder's handle owns it, not a thread record: fork leaves it alone */
	STACK_NODE orphan; /* in the family's stack */
	struct heap *next; /* in the family's list of all heaps */

	/* the owner's.  The last bin is full and empty at once: large blocks */
	alignas(CACHE_LINE) struct bin bin[CLASSES + 1];

	/* written by other threads */
	alignas(CACHE_LINE) _Atomic(struct pool *) x_pending; /* remote.h */
	_Atomic(struct pool *) x_swept; /* remote.h: queued, too, and looked after */
	_Atomic bool x_freed;           /* something was freed to it since x_swept was begun */
	_Atomic bool x_tended;          /* somebody looks after it: tend.h */
	/* idle.h: how many slow paths there had been, and in the lower half when (ms) that number
	 * was seen first */
	_Atomic uint64_t x_idle;

	/* the owner's */
	alignas(CACHE_LINE) struct pool
		*partial[CLASSES]; /* circular: the first one's prev is the last */
	struct pool *all_first, *all_last;
	/* in the family's list of heaps to walk; whoever walks changes it, too */
	struct heap *walk_next;
	bool in_walk;
	bool cache_is_empty; /* known of a heap without an owner, since a walk */
	/* sweep.h: pools with pages that may go back, oldest first */
	struct pool *sweep_first, *sweep_last;
	_Atomic size_t x_unswept; /* sweep.h; written by the owner */
	size_t unswept_published;
	/* the number of who changes it now, or 0: after fork, a heap that nobody can trust */
	_Atomic uintptr_t x_busy;
	_Atomic bool x_trim;           /* asked for what can be given back */
	bool sweeping;                 /* pages went back, and nothing was taken since */
	_Atomic unsigned x_slow_paths; /* slow paths */

	/* statistics: written by the owner only */
	_Atomic size_t x_out_blocks, x_out_bytes;         /* that are not in their pools */
	_Atomic size_t x_drained_blocks, x_drained_bytes; /* that other threads had freed */
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

void heap_init(struct heap *heap, arn_family *family, unsigned tag);
/* Heaps that exist, at least 1. */
size_t heap_count(void);

/* A handle without a heap: its first malloc gets it one. */
static inline void handle_init(arn_heap *handle, arn_family *family, enum arn_tag tag)
{
	handle->heap = &heap_none;
	handle->family = family;
	handle->tag = tag;
}

#define LIMBO_STACKS (ARN_TAGS * (CLASSES + 1u))
#define LIMBO_WORDS  ((LIMBO_STACKS + 63) / 64)

/* heaps by family: family.h */
struct arn_family {
	const struct arn_provider *provider;
	_Atomic(struct heap *) x_heaps; /* all, newest first; F1 */
	/* By tag, those that may hold something: a walk drops heaps without an owner and without a
	 * pool, and whoever adopts such a heap puts it back.  F2 */
	_Atomic(struct heap *) x_walked[ARN_TAGS];
	struct stack orphans[ARN_TAGS];
	_Atomic(struct heap *) x_tend; /* tend.h: who was looked at last */
	_Atomic(struct arn_family *) x_next;
	/* of an embedder: the family serves again when another one begins there */
	_Atomic(const void *) x_state;

	/* limbo.h: how many pools wait, the stack that is asked next, and the stacks, by tag and
	 * class */
	alignas(CACHE_LINE) _Atomic size_t x_waiting;
	_Atomic unsigned x_polls, x_polled;
	_Atomic uint64_t x_filled[LIMBO_WORDS];
	struct stack limbo[LIMBO_STACKS];
};

/* Only a user can ask the family's provider, and work on heaps without an owner. */
static inline bool family_is_user(const arn_family *family)
{
	const struct arn_provider *provider = family->provider;

	return !provider || !provider->is_user || provider->is_user(family);
}

/* Blocks have left the pool, or are home. */
static inline void heap_count_out(struct heap *heap, const struct pool *pool, size_t n)
{
	count_add(&heap->x_out_blocks, n);
	count_add(&heap->x_out_bytes, n * pool->block_size);
}

static inline void heap_count_home(struct heap *heap, const struct pool *pool, size_t n)
{
	count_sub(&heap->x_out_blocks, n);
	count_sub(&heap->x_out_bytes, n * pool->block_size);
}

/*
 * Around everything that changes a heap in more than one store, by its owner or by a walker.  (Who
 * works on an orphan
 * alone has it as OWNER_DRAINING, which says the same.)  A child of fork has what this thread had
 * stored until then, in its order: x_busy encloses it.
 */
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

/* A slow path of the owner. */
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
