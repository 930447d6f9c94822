/* SPDX-License-Identifier: MIT
 *
 * registry.h - is this address in an arena?  One byte for each 32 MiB of the 47-bit address space (48 on
 * aarch64), all zero pages until an arena is there.
 *
 * Synchronization      add  remove  has      - free, X caller owns the arena
 *     add               -     X      -
 *     remove            X     X      -
 * Ordering    G1  byte: add (release) -> has (acquire): the arena's head.  free() of a block that was handed
 *                 to it needs no order here: the block came from the arena.
 * Progress    wait-free.
 */
#ifndef ARN_REGISTRY_H
#define ARN_REGISTRY_H

#include "atomic.h"
#include "base.h"

#define ARENA_SHIFT 25
#define ARENA_SIZE ((size_t)1 << ARENA_SHIFT)
#if defined(__x86_64__)
#define ADDRESS_BITS 47
#else
#define ADDRESS_BITS 48
#endif

extern _Atomic uint8_t registry_bytes[(size_t)1 << (ADDRESS_BITS - ARENA_SHIFT)];

static inline bool registry_has(const void *address)
{
	uintptr_t index = (uintptr_t)address >> ARENA_SHIFT;

	return likely(index < array_length(registry_bytes)) && load_acquire(&registry_bytes[index]) != 0; /* G1 */
}

static inline void registry_add(const void *arena)
{
	store_release(&registry_bytes[(uintptr_t)arena >> ARENA_SHIFT], 1); /* G1 */
}

static inline void registry_remove(const void *arena)
{
	store_relaxed(&registry_bytes[(uintptr_t)arena >> ARENA_SHIFT], 0);
}

#endif
