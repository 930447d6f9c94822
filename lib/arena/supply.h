/* SPDX-License-Identifier: MIT
 *
 * supply.h - where pools get slices, and where they leave them: the arenas that are there, new
 * ones, the limit, and what goes back to the system.
 *
 * A claim takes free slices, resident ones first; if there are none, a retired arena comes back; if
 * there is none, a new one is mapped.  When more is in use than ever before, a claim gives back
 * some of what is kept for reuse, so that the peak of a program is what it uses.  A release tells
 * retain.h what has fallen free, retires an arena that is not needed, and gives back what is more
 * than may be kept.  Both unmap a few retired arenas whose readers are done.
 *
 * Synchronization      claim  release  trim
 *     claim              -       -       -      -  may run at the same time
 *     release            -       X       -      X  not of the same run: the caller owns it
 * Progress    lock-free, a bounded number of system calls.
 */
#ifndef ARN_SUPPLY_H
#define ARN_SUPPLY_H

#include "arena/arena.h"
#include "arena/budget.h"

/* Claim `slices` slices in a row; more than LARGE_SLICES get an arena of their own (huge), whose
 * whole body is the run.  false: there is no memory, or option LIMIT does not admit them. */
bool supply_claim(size_t slices, struct run *run);
/* Claim the first run of at least `slices` slices that all have pages, and no more than `most` of
 * it.  false: there is none. */
bool supply_claim_kept(size_t slices, size_t most, struct run *run);
/* Claim `slices` slices in a row in a shared arena, the first of them at a multiple of the
 * alignment, a power of two above a slice.  They are looked for in a run of supply_padded slices,
 * at most LARGE_SLICES, the rest of which is free again afterwards. */
bool supply_claim_padded(size_t slices, size_t alignment, struct run *run);
/* Map an arena for one block of `slices` slices, whose body begins at a multiple of the alignment,
 * a power of two of at least ARENA_SIZE.  false: there is no memory, no address space, or it is not
 * admitted. */
bool supply_claim_aligned(size_t slices, size_t alignment, struct run *run);
/* Claim these slices and no others, which lie behind a pool of the caller's.  false: they are not
 * all free, or not admitted. */
bool supply_claim_at(struct arena *arena, unsigned first, unsigned slices, struct run *run);
/* Release a run of the caller's.  Its descriptors say free (x_heap is NULL) and its remote bits are
 * clear.  Its first `dirty` slices may hold pages. */
void supply_release(struct arena *arena, unsigned first, size_t slices, size_t dirty);
/* Option LIMIT: may so many bytes more become resident?  Free memory that is kept for reuse makes
 * room.  Threads that ask at the same time may each be told yes. */
bool supply_admits_bounded(size_t bytes);

static inline bool supply_admits(size_t bytes)
{
	return likely(!budget_is_bounded()) || supply_admits_bounded(bytes);
}

/* Somewhere among so many slices begins one that is aligned, with `slices` slices from there on. */
static inline size_t supply_padded(size_t slices, size_t alignment)
{
	return slices + alignment / SLICE - 1;
}

/* Give back the pages of all free slices, and the arenas without pools whose readers are done.
 * Returns the bytes of pages that went back. */
size_t supply_trim(void);

#endif
