/* SPDX-License-Identifier: MIT
 *
 * guarded.h - blocks in cells (heap/cell.h), for the slow paths of malloc, free and realloc.
 *
 * Guarded are blocks of all tags.  Objects that readers without a lock may look at after they were
 * freed are protected when these readers are done; that is looked at with each guarded block that
 * is made or freed, in slow paths of malloc and free, and in walks of a collector.
 *
 * Owner       as the functions of alloc.c that call these.
 */
#ifndef ARN_GUARDED_H
#define ARN_GUARDED_H

#include "heap/types.h"

/* With option GUARD: there are cells from now on, and the handler of fault.h.  Once, at the start
 * of the process. */
void guarded_init(void);
/* A block in a cell, for a heap that the calling thread owns.  NULL: it has to be made in another
 * way. */
void *guarded_malloc(const struct heap *heap, size_t size, size_t alignment);
/* Free the block of this pool, for which cell_is holds.  Misuse ends the program. */
void guarded_free(const struct pool *pool, void *block);
/* End the program unless this is the beginning of a live block. */
void guarded_check(const struct pool *pool, const void *block);

#endif
