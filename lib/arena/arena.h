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
 *             x_dirty is a subset of x_free_slices while no thread is between claim and release
 *
 * Synchronization      claim  release  purge  retire
 *     claim              -       -       -      -      -  may run at the same time
 *     release            -       X       -      -      X  not of the same run: the caller owns it
 * Ordering    A1  x_free_slices: release (release) -> claim (acquire): the slice's descriptor,
 *             memory, x_dirty.
 *             A2  the table of registry.h.
 *             A3  x_free_slices, x_huge_used against the numbers of summary.h.
 *             A4  x_free_slices against x_counted: whoever changes one looks at the other
 *                 afterwards (all seq_cst), so that in the end they agree.
 * Progress    claim, release, purge, retire: lock-free, a bounded number of system calls.
 */
#ifndef ARN_ARENA_H
#define ARN_ARENA_H

#include "base/atomic.h"
#include "base/base.h"
#include "arena/registry.h"
#include "arena/sizeclass.h"
#include "arena/tally.h"
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
 * Owner       the user of its heap (heap/types.h).  Fields without x_ below line 0 are for the
 *             owner only.
 * States      free slice (x_heap NULL) -> partial (listed) <-> full (not listed) -> empty -> free
 *             slice; an empty pool of a heap with a provider goes to the limbo first, and may come
 *             back from there.
 * Invariant   x_free_count + |live| + |cached| + |remote| == capacity
 *             popcount(bits->x_free_map) == x_free_count
 */
struct pool {
	/* line 0: constant from carve to release, read by every free */
	_Atomic(struct heap *) x_heap;
	struct pool *lead;
	char *base;
	size_t block_size; /* bytes */
	uint32_t inverse;  /* sizeclass.h; 0 of a large pool */
	uint32_t capacity; /* blocks */
	struct pool_bits *bits;
	uint8_t cls, tag;
	bool reads_zero; /* large pool: it is still all zeros, so calloc need not clear it */
	bool settled;    /* class pool: it was begun without pages that had gone back (retain.h) */
	uint32_t slices; /* huge pools: more than an arena's */
	/* remote.h: words in the arena's x_remote, by the pool's tag */
	_Atomic(_Atomic uint64_t *) x_remote;

	/* line 1: the owner's */
	alignas(CACHE_LINE) struct stack_node wait; /* limbo.h */
	_Atomic uint32_t x_free_count;              /* bits set in bits->x_free_map */
	uint16_t hint;                              /* no free bit in words below this one */
	bool listed;                                /* in its heap's list of partial pools */
	bool sampled; /* large pool: its block is a sample (sample.h) */
	/* blocks that an ended state of the family has left alive */
	uint16_t left;
	uint32_t counted; /* large pool: what was counted of its block, in 16 bytes (sample.h) */
	struct pool *next, *prev;         /* list of partial pools */
	struct pool *all_next, *all_prev; /* list of all pools of the heap */
	/* The provider's goal, while the pool waits in the limbo. */
	uint64_t goal;
};
static_assert(sizeof(struct pool) == 2 * CACHE_LINE, "two lines");

#define POOL_WORDS (BLOCKS_MAX / 64)

/* Which table a pool's remote bits are in.  remote_sweep may empty REMOTE_PLAIN words of any pool
 * for a moment.  A collector's walk must never miss a freed block, so pools of GC and GC_PRE use
 * REMOTE_WALKED, which it leaves alone. */
enum { REMOTE_PLAIN, REMOTE_WALKED, REMOTE_KINDS };

/* The most granules of a class pool.  The pages of a granule go back by themselves: sweep.h. */
#define GRANULES 64u

struct pool_bits {
	/* Line 0: sweep.h.  Granules without pages; of a large pool, bit 0.  A thread that looks
	 * after a heap that waits writes here, too. */
	alignas(CACHE_LINE) _Atomic uint64_t x_clean;
	/* The rest is the owner's: the list of pools to sweep, and bytes that are unswept. */
	struct pool *sweep_next, *sweep_prev;
	uint32_t unswept;
	bool in_sweep;
	/* log2 of the bytes of a granule; constant from carve to release */
	uint8_t granule_shift;
	/* The free blocks.  The owner's; guard.c reads the bit of a block that it was given. */
	alignas(CACHE_LINE) _Atomic uint64_t x_free_map[POOL_WORDS];
};

/* What threads write to that free blocks of others: apart from what the owner of a pool writes to.
 */
struct queue_entry {
	_Atomic(struct pool *) x_next; /* remote.h: the next pool in x_pending or x_swept */
	_Atomic uint32_t x_queued;     /* remote.h */
};

struct arena {
	/* Bytes mapped, from the head on; large.c makes it smaller when it moves the pages of a
	 * huge block. */
	_Atomic size_t x_size;
	unsigned index; /* in the table of registry.h */
	bool huge;
	/* Huge: slices between the head and the body.  Not 0 if the block lies at ARENA_SIZE or
	 * more: then its body begins where another arena's head would, and the registry says so.
	 * Such an arena serves one block, and leaves when that is free. */
	uint16_t lead;
	_Atomic bool x_counted;       /* among the arenas that are free (A4); not huge */
	_Atomic unsigned x_huge_used; /* huge: 1 while claimed */
	_Atomic size_t x_huge_dirty;  /* huge: slices that may hold pages, from the first one on */
	bool retired_clean;           /* it is retired, and its pages have gone back */
	struct arena *next_retired;   /* retire.h */
	struct cells *cells;          /* it has nothing but these: heap/cell.h */
	alignas(CACHE_LINE) _Atomic uint64_t x_free_slices[ARENA_WORDS];
	alignas(CACHE_LINE) _Atomic uint64_t x_dirty[ARENA_WORDS];
	struct pool pool[ARENA_SLICES];
	struct pool_bits bits[ARENA_SLICES];
	/* These have pages of their own: without remote frees they are never written to, and so not
	 * resident. */
	alignas(CACHE_LINE) struct queue_entry queue[ARENA_SLICES];
	alignas(CACHE_LINE) _Atomic uint64_t x_remote[REMOTE_KINDS][ARENA_SLICES][POOL_WORDS];
};
static_assert(sizeof(struct arena) <= ARENA_HEAD * SLICE, "the head fits");

/* A run that was claimed: `slices` slices from `first` on.  `clean` of them are not resident and
 * read as zero; in a huge arena those are the last ones. */
struct run {
	struct arena *arena;
	unsigned first;
	size_t slices, clean;
	size_t growth; /* bytes by which more is resident than ever, for this run (supply.h) */
};

static inline struct arena *arena_at(const void *address)
{
	return (struct arena *)((uintptr_t)address & ~(ARENA_SIZE - 1));
}

static inline struct pool *arena_pool_at(const void *address)
{
	return &arena_at(address)->pool[((uintptr_t)address & (ARENA_SIZE - 1)) >> SLICE_SHIFT];
}

static inline struct queue_entry *queue_entry(const struct pool *pool)
{
	struct arena *arena = arena_at(pool);

	return &arena->queue[pool - arena->pool];
}

/* How many slices `bytes` bytes need. */
static inline size_t slices_of(size_t bytes)
{
	return (bytes + SLICE - 1) / SLICE;
}

/* Bytes mapped. */
static inline size_t arena_size(const struct arena *arena)
{
	return load_relaxed(&arena->x_size);
}

/* Slices between head and guard. */
static inline size_t arena_room(const struct arena *arena)
{
	return arena_size(arena) / SLICE - ARENA_HEAD - arena->lead - ARENA_GUARD;
}

/* The first byte of the first pool. */
static inline char *arena_body(const struct arena *arena)
{
	return (char *)arena + (ARENA_HEAD + arena->lead) * SLICE;
}

/* Claim `slices` free slices of this arena in a row, and those that follow, up to `most` in all.
 * resident: only slices that have pages, or a huge arena that has some.  false: there are none. Any
 * thread, in a section of reclaim.h. */
bool arena_claim_in(struct arena *arena, size_t slices, size_t most, bool resident,
                    struct run *run);
/* Claim these slices and no others.  false: they are not all free.  The caller is in a section of
 * reclaim.h, or has a pool in the arena. */
bool arena_claim_at(struct arena *arena, unsigned first, unsigned n, struct run *run);
/* Count a run that was claimed in another way; `dirty` of its slices may hold pages. */
void arena_count_claim(struct run *run, size_t dirty);
/* Make the slices from this one on free, in an arena that the caller has whole.  Those before it
 * stay the caller's. */
void arena_free_from(struct arena *arena, unsigned first);
/* Release a run of the caller's; its first `dirty` slices may hold pages.  In a section of
 * reclaim.h, because the arena may retire at once.  true: the arena is free now. */
bool arena_release(struct arena *arena, unsigned first, size_t slices, size_t dirty);
/* Claim free slices of one word, without counting them.  false: they are not all free. */
bool arena_claim_word(struct arena *arena, unsigned word, uint64_t mask);
/* They are free again. */
void arena_return_word(struct arena *arena, unsigned word, uint64_t mask);
/* A huge arena that the caller has claimed is free again. */
void arena_return_huge(struct arena *arena);
/* Claim all slices of the arena.  true: no thread has a pool there, and none can get one any
 * more. */
bool arena_claim_whole(struct arena *arena, struct run *run);
/* Are all slices free now? */
bool arena_is_free(const struct arena *arena);
/* How many arenas have only free slices, without the huge ones. */
size_t arena_free_count(void);
void arena_set_free_count(size_t count);

/* How a thread looks for free slices among all arenas. */
enum arena_search {
	ARENA_RESIDENT, /* slices with pages only; of a huge run some */
	ARENA_ANY,      /* any */
	ARENA_ALL /* any, and without the short cuts of summary.h: before an arena is mapped */
};

/* Claim `slices` slices in a row, and those that follow, up to `most` in all, in the first arena at
 * or after `from` that has them, found by the numbers of summary.h.  In a section of reclaim.h.
 * false: there are none. */
bool arena_claim_from(unsigned from, size_t slices, size_t most, enum arena_search how,
                      struct run *run);
/* Races for a slice that the calling thread has lost. */
extern __thread unsigned arena_races;
/* Slices of the arena have become free in another way than by arena_release, or it has just come
 * into the table: raise its numbers to what there is.  In a section of reclaim.h, or with a slice
 * of the arena. */
void arena_publish(struct arena *arena, unsigned index);
/* Slices from `first` on have become free, and the first `dirty` of them may have pages.  true: the
 * arena is free. */
bool arena_publish_run(struct arena *arena, unsigned index, unsigned first, unsigned n,
                       unsigned dirty);
/* The first arena at or after `from` that may be free as a whole.  ARENAS_MAX: there is none. */
unsigned arena_find_free(unsigned from);
/* The last arena before `below` that may have free slices with pages; it may be a huge one.
 * ARENAS_MAX: there is none. */
unsigned arena_find_resident(unsigned below);
/* The arena there has been looked at: lower its number for resident slices to what there is. */
void arena_correct_resident(unsigned index);
/* The first run of n free slices at or above `from`; resident: of those with pages.  ARENA_SLICES:
 * there is none. */
unsigned arena_find_run(const struct arena *arena, bool resident, unsigned from, unsigned n);
/* How many free slices lie in a row from this one on, up to `most`; resident: of those with
 * pages. */
unsigned arena_count_run(const struct arena *arena, bool resident, unsigned from, unsigned most);
/* In the child of a fork: a thread that is gone may have been about to correct a number, or the
 * count of free arenas. */
void arena_fork_child(void);
/* Slices have become free: count the arena among the free ones if it is one now; true: it is. */
bool arena_note_free(struct arena *arena);
/* A line on stderr about this arena, with option VERBOSE=2. */
void arena_say(const char *what, const struct arena *arena);
/* Do bitmaps and descriptors agree?  For tests, while no other thread claims or releases. */
bool arena_is_valid(const struct arena *arena);

/* Bytes that are claimed, less what has no pages because it was never touched or was purged. */
static inline size_t arena_with_pages(void)
{
	size_t claimed = tally_read(&arena_counters.x_claimed);

	return claimed - min_size(claimed, tally_read(&arena_counters.x_clean_bytes));
}

/* Bytes that are claimed or free, as far as they have pages. */
static inline size_t arena_resident(void)
{
	return arena_with_pages() + tally_read(&arena_counters.x_retained);
}

/* Bytes of free slices and of empty pools that wait for readers, as far as they are resident, and
 * of grants for the stocks of heaps. */
static inline size_t arena_kept(void)
{
	return tally_read(&arena_counters.x_retained) + tally_read(&arena_counters.x_waiting) +
	       load_relaxed(&arena_counters.x_granted);
}

struct arena_totals {
	size_t arenas, mapped, claimed, retained, purges, purged;
};
void arena_totals(struct arena_totals *totals);

/* Of a huge arena the first slice behind the head stands for the body. */
static inline char *run_base(const struct run *run)
{
	return run->arena->huge ? arena_body(run->arena) : (char *)run->arena + run->first * SLICE;
}

#endif
