/* SPDX-License-Identifier: MIT
 *
 * meta.h - memory for our own records: heaps, thread records, families.
 *
 * Records are zeroed, aligned to a page where asked, and never given back: a stale pointer to one
 * always points to a record of the same type.  Lock-free.
 */
#ifndef ARN_META_H
#define ARN_META_H

#include "base/base.h"

/* alignment: a power of two up to a page.  NULL: no memory. */
void *meta_take(size_t size, size_t alignment);
size_t meta_bytes(void);
/* The parts of the address space that records stand in. */
void meta_visit(void (*visitor)(void *arg, const void *chunk, size_t size), void *arg);

#endif
