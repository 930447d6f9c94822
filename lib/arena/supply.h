/* SPDX-License-Identifier: MIT
 *
 * supply.h - where pools get slices, and where they leave them: the arenas that are there, new
 * ones, the limit, and what goes back to the system.
 *
 * A claim takes free slices, resident ones first; then a retired arena comes back; then a new one
 * is mapped.  When more is in use than ever before, it gives back some of what is kept for reuse,
 * so that the peak of a program is what it uses.  A release says what has fallen free to retain.h,
 * retires an arena that nobody needs, and gives back what is more than may be kept.  Both unmap a
 * few retired arenas whose readers are done.
 *
 * Synchronization      claim  release  trim      - free, X caller owns the run
 *     claim              -       -       -
 *     release            -       X       -
 * Progress    lock-free, a bounded number of system calls.
 */
#ifndef ARN_SUPPLY_H
#define ARN_SUPPLY_H

#include "arena/arena.h"

/* false: no memory.  slices above LARGE_SLICES get a huge arena. */
bool supply_claim(size_t slices, struct run *run);
/* These slices and no others, which lie behind a pool of the caller's; false: not all of them are
 * free. */
bool supply_claim_at(struct arena *arena, unsigned first, unsigned slices, struct run *run);
/* The run is the caller's; its descriptors say free (x_heap NULL) and its remote bits are clear.
 * Its first `dirty` slices may hold pages. */
void supply_release(struct arena *arena, unsigned first, size_t slices, size_t dirty);
/* Option LIMIT: may so many bytes more become resident?  What is free and kept for reuse makes
 * room.  Threads that ask at the same time may each be told yes. */
bool supply_admits(size_t bytes);
/* Give back the pages of all free slices, and the arenas without pools whose readers are done;
 * bytes of pages. */
size_t supply_trim(void);

#endif
