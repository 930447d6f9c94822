/* SPDX-License-Identifier: MIT
 *
 * large.h - large blocks grow and shrink without a copy: in place, or by moving their pages.
 *
 * In place    A block in a shared arena takes free slices behind it, and gives its last ones back;
 *             one with an arena of its own (huge) has room there.  The block begins where it began,
 *             so late readers of objects see no change of layout (R1 of doc/design.md).
 * By pages    A huge block that outgrows its arena is moved by mremap(2) to the next one: its pages
 *             become the new block's, except for the first LARGE_KEPT bytes, which are copied.
 *             Those stay as they are, in the old block, until that is freed and its readers are
 *             done (R2 there).  Behind them the old arena has no address space any more, so it ends
 *             there.
 *
 * Owner       the user of the pool's heap calls all of these.  For any other thread realloc copies.
 * Invariant   a huge arena is mapped from its head up to x_size, and nowhere else
 *             from LARGE_KEPT on, its body is one mapping of the kernel, as mremap demands
 * Progress    wait-free but for claims and releases; a system call or two for pages.
 */
#ifndef ARN_LARGE_H
#define ARN_LARGE_H

#include "heap/types.h"

#define LARGE_KEPT (2 * SLICE)

/*
 * Allocate a block that no size class holds, in a pool of its own, which begins at a multiple of
 * the alignment (a power of two).  NULL: there is no memory, or no address space.
 *
 * In a shared arena a pool begins on any slice behind the head, so it can be at any multiple up to
 * half of the arena, if that and the run fit.  A huge block begins right behind the head.  Any
 * other block gets an arena of its own, with a lead between head and body (arena.h).
 */
void *large_malloc(struct heap *heap, size_t size, size_t alignment);
/* The size, in bytes, of the block that serves a request for `size` bytes which needs no alignment
 * of its own. */
size_t large_size(size_t size);

/* Resize the pool's block in place, so that it has room for `size` bytes (more than a slice) and
 * not much more.  false: it cannot be done here, and nothing has changed. */
bool large_resize(struct heap *heap, struct pool *pool, size_t size);
/* Could the pages of one block become those of the other? */
bool large_may_move(const struct pool *from, const struct pool *to);
/* Move the pages; the calling thread has both blocks.  What is left of the one that is made shorter
 * is found by its pool only, and not by its address.  The caller has copied the first LARGE_KEPT
 * bytes, and `from` consists of just these afterwards.  false: the system has refused; `to`
 * consists of just its first LARGE_KEPT bytes, and no pages will be moved in this process any more.
 */
bool large_move(struct pool *from, struct pool *to);

#endif
