/* SPDX-License-Identifier: MIT
 *
 * arena.h - 32 MiB of address space, aligned to its size, cut into 512 slices of 64 KiB.
 *
 * The head (8 slices) holds a descriptor and the bitmaps for every slice that may begin a pool, so
 * that pools themselves are nothing but blocks, and address to descriptor is two shifts.  A huge
 * arena is longer: its one pool begins in the first 32 MiB and runs to its end; only that first
 * part is in the registry.  The last slice of every arena is a guard without access (PROT_NONE), so
 * that a write beyond the last block faults and does not reach the head of the next arena.
 *
 * Slices      free (bit set in x_free_slices) -> claimed (clear) -> free.  Only the claimer touches
 *             a claimed slice's descriptor, memory and x_dirty bit.  x_dirty: the slice may hold
 *             resident pages.
 * Lifetime    mapped by supply_claim; unmapped by retire.c, after all slices were claimed, the
 *             table entry cleared, and a grace period of reclaim.h.
 * Invariant   popcount(x_free_slices) + claimed slices == ARENA_END - ARENA_HEAD      (not huge)
 *             x_dirty is a subset of x_free_slices while nobody is between claim and release
 *
 * Synchronization      claim  release  purge  retire    - free, X caller owns the run
 *     claim              -       -       -      -
 *     release            -       X       -      -
 * Ordering    A1  x_free_slices: release (release) -> claim (acquire): the slice's descriptor,
 *             memory, x_dirty.
 *             A2  the table of registry.h.
 * Progress    claim, release, purge, retire: lock-free, a bounded number of system calls.
 */
#ifndef ARN_ARENA_H
#define ARN_ARENA_H

#include "base/atomic.h"
#include "base/base.h"
#include "arena/registry.h"
#include "arena/sizeclass.h"
#include "base/stack.h"

#define ARENA_SLICES ((unsigned)(ARENA_SIZE / SLICE))
#define ARENA_WORDS  (ARENA_SLICES / 64)
#define ARENA_HEAD   8u
#define ARENA_GUARD  1u
#define ARENA_END    (ARENA_SLICES - ARENA_GUARD)
#define LARGE_SLICES 256u /* the longest run in a shared arena: 16 MiB */

struct heap;

/*
 * A pool: a run of slices cut into blocks of one size, for one heap.  The descriptor of the first
 * slice leads; those of the other slices of a class pool copy the first line.
 *
 * Owner       the user of its heap.  Without x_ and below line 0: the owner only.
 * States      free slice (x_heap NULL) -> partial (listed) <-> full (not listed) -> empty -> free
 *             slice; an empty pool of a heap with a provider goes to the limbo first, and may come
 *             back from there.
 * Invariant   x_free_count + |live| + |cached| + |remote| == capacity, popcount(bits->x_free_map)
 *             == x_free_count
 */
struct pool {
	/* line 0: constant from carve to release, read by every free */
	_Atomic(struct heap *) x_heap;
	struct pool *lead;
	char *base;
	size_t block_size;
	uint32_t inverse;
	uint32_t capacity;
	struct pool_bits *bits;
	uint8_t cls, tag;
	/* large: nobody has written to it since it came from the OS: calloc need not clear it */
	bool reads_zero;
	bool was_swept;  /* class: pages of it were purged, and touching them faults again */
	uint32_t slices; /* huge pools: more than an arena's */

	/* line 1: the owner's */
	alignas(CACHE_LINE) struct stack_node wait; /* limbo.h */
	_Atomic uint32_t x_free_count;              /* bits set in bits->x_free_map */
	uint16_t hint;                              /* no free bit in words below this one */
	bool listed;                                /* in its heap's list of partial pools */
	/* blocks that an ended state of the family has left alive */
	uint16_t left;
	struct pool *next, *prev;         /* list of partial pools */
	struct pool *all_next, *all_prev; /* list of all pools of the heap */
	/* of the provider, while it waits in the limbo */
	uint64_t goal;
};
static_assert(sizeof(struct pool) == 2 * CACHE_LINE, "two lines");

#define POOL_WORDS (BLOCKS_MAX / 64)

/* Words of pools that a collector walks are nobody's but the owner's to take: sweep_remote finds
 * the others here. */
enum { REMOTE_PLAIN, REMOTE_WALKED, REMOTE_KINDS };

/* A class pool is cut into at most so many granules, whose pages go back by themselves: sweep.h. */
#define GRANULES 64u

struct pool_bits {
	alignas(CACHE_LINE) _Atomic uint32_t x_queued; /* remote.h */
	/* sweep.h: the owner's, and so the next four */
	uint32_t unswept;
	_Atomic(struct pool *) x_next; /* remote.h */
	/* sweep.h: granules without pages; of a large pool, bit 0 */
	_Atomic uint64_t x_clean;
	struct pool *sweep_next, *sweep_prev;
	bool in_sweep;
	/* sweep.h: log2 of the bytes of a granule; constant from carve to release */
	uint8_t granule_shift;
	/* remote.h: words in the arena's x_remote, by the pool's tag */
	_Atomic(_Atomic uint64_t *) x_remote;
	/* the owner's; guard.c reads the bit of a block that it was given */
	alignas(CACHE_LINE) _Atomic uint64_t x_free_map[POOL_WORDS];
};

struct arena {
	/* bytes mapped, from the head on; large.c makes a huge one that is in use smaller */
	_Atomic size_t x_size;
	unsigned index; /* in the table */
	bool huge;
	_Atomic unsigned x_huge_used; /* huge: 1 while claimed */
	_Atomic size_t x_huge_dirty;  /* huge: slices that may hold pages, from the first one on */
	bool retired_clean;           /* retired, and its pages have gone back */
	struct arena *next_retired;   /* retire.h */
	alignas(CACHE_LINE) _Atomic uint64_t x_free_slices[ARENA_WORDS];
	alignas(CACHE_LINE) _Atomic uint64_t x_dirty[ARENA_WORDS];
	struct pool pool[ARENA_SLICES];
	struct pool_bits bits[ARENA_SLICES];
	/* By themselves: without remote frees these pages are never written to, and so not
	 * resident. */
	alignas(CACHE_LINE) _Atomic uint64_t x_remote[REMOTE_KINDS][ARENA_SLICES][POOL_WORDS];
};
static_assert(sizeof(struct arena) <= ARENA_HEAD * SLICE, "the head fits");

/* What a claim found.  So many of its slices are clean: they are not resident and read as zero;
 * those of a huge arena are its last ones. */
struct run {
	struct arena *arena;
	unsigned first;
	size_t slices, clean;
};

static inline struct arena *arena_at(const void *address)
{
	return (struct arena *)((uintptr_t)address & ~(ARENA_SIZE - 1));
}

static inline struct pool *arena_pool_at(const void *address)
{
	return &arena_at(address)->pool[((uintptr_t)address & (ARENA_SIZE - 1)) >> SLICE_SHIFT];
}

/* How many slices so many bytes need. */
static inline size_t slices_of(size_t bytes)
{
	return (bytes + SLICE - 1) / SLICE;
}

static inline size_t arena_size(const struct arena *arena)
{
	return load_relaxed(&arena->x_size);
}

/* Slices between head and guard. */
static inline size_t arena_room(const struct arena *arena)
{
	return arena_size(arena) / SLICE - ARENA_HEAD - ARENA_GUARD;
}

/* The first of them. */
static inline char *arena_body(const struct arena *arena)
{
	return (char *)arena + ARENA_HEAD * SLICE;
}

/* So many slices of this arena in a row; resident: one that has pages, or none.  false: there are
 * none. */
bool arena_claim_in(struct arena *arena, size_t slices, bool resident, struct run *run);
/* These slices and no others; false: not all of them are free. */
bool arena_claim_at(struct arena *arena, unsigned first, unsigned n, struct run *run);
/* Of a run that was claimed in another way, so many slices being dirty. */
void arena_count_claim(struct run *run, size_t dirty);
/* The slices from this one on are free; those before it are the caller's. */
void arena_free_from(struct arena *arena, unsigned first);
/* The run is the caller's, in a section of reclaim.h; its first `dirty` slices may hold pages. */
void arena_release(struct arena *arena, unsigned first, size_t slices, size_t dirty);
/* Take free slices of one word; false: not all of them are free. */
bool arena_claim_word(struct arena *arena, unsigned word, uint64_t mask);
/* Claim all of it; true: nobody has a pool there, and nobody can get one any more. */
bool arena_claim_whole(struct arena *arena, struct run *run);
/* Does nobody have a pool there now? */
bool arena_is_free(const struct arena *arena);
/* option VERBOSE */
void arena_say(const char *what, const struct arena *arena);
bool arena_is_valid(const struct arena *arena);

/* bytes, and calls of purge; relaxed, sums only */
extern struct arena_counters {
	_Atomic size_t x_mapped, x_claimed, x_retained, x_purges, x_purged;
	/* claimed, but without pages: never touched, or given back (sweep.h) */
	_Atomic size_t x_clean_bytes;
	_Atomic size_t x_waiting; /* resident, in empty pools that wait for readers (limbo.h) */
	_Atomic size_t x_limbo;   /* the rest of those pools, which has no pages */
	_Atomic size_t x_peak;    /* the most that was in use */
} arena_counters;

/* Claimed, less what is empty and has no pages: address space is no use of memory. */
static inline size_t arena_in_use(void)
{
	size_t claimed = load_relaxed(&arena_counters.x_claimed);

	return claimed - min_size(claimed, load_relaxed(&arena_counters.x_limbo));
}

/* Claimed, less what has no pages: it was never touched, or has been given back. */
static inline size_t arena_with_pages(void)
{
	size_t claimed = load_relaxed(&arena_counters.x_claimed);

	return claimed - min_size(claimed, load_relaxed(&arena_counters.x_clean_bytes));
}

/* Free slices and empty pools that wait, resident. */
static inline size_t arena_kept(void)
{
	return load_relaxed(&arena_counters.x_retained) + load_relaxed(&arena_counters.x_waiting);
}

/* A call that gave so many bytes back. */
static inline void arena_count_purge(size_t bytes)
{
	add_relaxed(&arena_counters.x_purges, 1);
	add_relaxed(&arena_counters.x_purged, bytes);
}

struct arena_totals {
	size_t arenas, mapped, claimed, retained, purges, purged;
};
void arena_totals(struct arena_totals *totals);

static inline char *run_base(const struct run *run)
{
	return (char *)run->arena + run->first * SLICE;
}

#endif
