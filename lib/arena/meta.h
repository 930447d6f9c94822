/* SPDX-License-Identifier: MIT
 *
 * meta.h - memory for Arenite's own records: heaps, thread records, families.
 *
 * Records are zeroed, aligned as asked, and never given back: a stale pointer to one always points
 * to a record of the same type.
 *
 * All of these may be called by any thread.
 * Progress    lock-free.
 */
#ifndef ARN_META_H
#define ARN_META_H

#include "base/base.h"

/* Take `size` bytes for a record; alignment is a power of two up to a page.  NULL: there is no
 * memory. */
void *meta_take(size_t size, size_t alignment);
/* Bytes of address space that records have. */
size_t meta_bytes(void);
/* Bytes of it that records have been given. */
size_t meta_used(void);
/* Call the visitor for each part of the address space that holds records; size is in bytes. */
void meta_visit(void (*visitor)(void *arg, const void *chunk, size_t size), void *arg);

#endif
