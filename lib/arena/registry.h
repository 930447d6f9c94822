/* SPDX-License-Identifier: MIT
 *
 * registry.h - which arenas there are.  A table serves those who look for memory.  For those who
 * have an address there is one byte for each 32 MiB of the address space (ADDRESS_BITS of arch.h);
 * its pages are zero pages until there is an arena.
 * An entry of the table that is empty again is found by summary.h.
 *
 * Synchronization      add  hide  remove  entry  has  finds
 *     add               -     -      -      -     -     -      -  may run at the same time
 *     hide, remove      -     X      X      -     -     -      X  the caller owns the arena
 *     cut, mend         -     X      X      -     -     -
 * Lifetime    An arena that a reader has found, in the table or by its byte, stays mapped for the
 *             rest of the reader's section (reclaim.h).  So both are cleared first (hide); then a
 *             grace period passes; then the arena is unmapped (remove).  A thread that holds a live
 *             block needs no section: the block keeps the arena.
 * Ordering    A2  table: add (release) -> entry (acquire): the arena's head.
 *             E2  hide (seq_cst) against entry and finds (seq_cst), of reclaim-reader.h: either the
 *                 reader does not find the arena, or the grace period finds the reader.
 *             G1  byte: add (release) -> has, finds (acquire): the arena's head.  free() of a block
 *                 that was handed to it needs no order here: the block came from the arena.
 *             G2  byte: cut (release) -> has, finds (acquire): whoever is mapped in the place of
 *                 what was cut off came after it, and so does any thread that has an address there.
 * Progress    wait-free; add lock-free.
 */
#ifndef ARN_REGISTRY_H
#define ARN_REGISTRY_H

#include "arena/summary.h"
#include "base/atomic.h"
#include "base/base.h"

#define ARENA_SHIFT 25
#define ARENA_SIZE  ((size_t)1 << ARENA_SHIFT)

struct arena;

extern _Atomic uint8_t
	registry_bytes[(size_t)1 << (ADDRESS_BITS - ARENA_SHIFT)] PRIVATE(registry_bytes);

#define REGISTRY_HERE    1u
#define REGISTRY_RETIRED 2u /* mapped still for earlier readers; no new one finds it */
/* Only the first part is the arena's still (large.h).  Something else may be mapped behind that, so
 * no address is taken for one of the arena: whoever has its block has the pool. */
#define REGISTRY_CUT 4u
/* The body of the arena that begins 32 MiB before: one block, which lies at 32 MiB or more. */
#define REGISTRY_BODY 8u

/* Is this address in an arena?  For the address of a live block, whoever holds it: the answer stays
 * true as long as that block lives. */
static inline bool registry_has(const void *address)
{
	uintptr_t index = (uintptr_t)address >> ARENA_SHIFT;

	return likely(index < array_length(registry_bytes)) &&
	       (load_acquire(&registry_bytes[index]) & REGISTRY_HERE) != 0; /* G1, G2 */
}

/* The same for any address, in a section of reclaim.h.  If the answer is yes, it stays so until the
 * section ends. */
static inline bool registry_finds(const void *address)
{
	uintptr_t index = (uintptr_t)address >> ARENA_SHIFT;

	return index < array_length(registry_bytes) &&
	       (load_seq(&registry_bytes[index]) & REGISTRY_HERE) != 0; /* E2, G1, G2 */
}

/* Is it in the body of the arena before?  The same, for the address of a live block. */
static inline bool registry_has_body(const void *address)
{
	uintptr_t index = (uintptr_t)address >> ARENA_SHIFT;

	return index < array_length(registry_bytes) &&
	       load_acquire(&registry_bytes[index]) == REGISTRY_BODY; /* G1 */
}

/* And for any address, in a section of reclaim.h. */
static inline bool registry_finds_body(const void *address)
{
	uintptr_t index = (uintptr_t)address >> ARENA_SHIFT;

	return index < array_length(registry_bytes) &&
	       load_seq(&registry_bytes[index]) == REGISTRY_BODY; /* E2, G1 */
}

/* Set the byte for the body of an arena that has one, before registry_add, and clear it, with
 * registry_hide.  false: it has no byte. */
bool registry_add_body(const struct arena *arena);
void registry_hide_body(const struct arena *arena);
/* Add an arena to the table, and set its byte.  *index, its place in the table, is set before
 * another thread can see it.  false: the table is full, or the arena lies beyond the addresses that
 * have a byte. */
bool registry_add(struct arena *arena, unsigned *index);
/* Hide the arena: no new reader finds it, by the table or by an address. */
void registry_hide(const struct arena *arena, unsigned index);
/* The arena's readers are done: clear its byte, before it is unmapped. */
void registry_remove(const struct arena *arena);
/* From now on no address leads to the arena, which stays in the table; or again they do.  The
 * caller has the arena's one block. */
void registry_cut(const struct arena *arena);
void registry_mend(const struct arena *arena);
/* Does a retired arena, which waits for its readers, begin here? */
bool registry_is_retired(const struct arena *arena);

/* Has the table no entry for another arena? */
bool registry_is_full(void);

/* The number of entries that were ever used, and one of them, which may be NULL.  Whoever looks
 * into the arena is in a section of reclaim.h. */
unsigned registry_count(void);
struct arena *registry_entry(unsigned index);

#endif
