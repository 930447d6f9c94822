/* SPDX-License-Identifier: MIT
 *
 * internal.h - stands in for Include/internal/mimalloc/mimalloc/internal.h of CPython: what
 * obmalloc.c, gc_free_threading.c and pystate.c call.
 *
 * The functions are in static.c, which is compiled as part of obmalloc.c.  Each does what
 * mimalloc's function of this name does, as far as CPython relies on it.
 */
#ifndef MIMALLOC_INTERNAL_H
#define MIMALLOC_INTERNAL_H

#include <string.h>

#include "types.h"

#define mi_likely(x) (__builtin_expect(!!(x), 1))

/*
 * Allocation, for obmalloc.c.  A heap is used by the thread of its thread state alone; mi_free is
 * for any block and any thread.
 */
extern void *mi_heap_malloc(mi_heap_t *heap, size_t size);
extern void *mi_heap_calloc(mi_heap_t *heap, size_t count, size_t size);
extern void *mi_heap_realloc(mi_heap_t *heap, void *block, size_t size);
extern void *mi_malloc(size_t size);
extern void *mi_calloc(size_t count, size_t size);
extern void *mi_realloc(void *block, size_t size);
extern void mi_free(void *block);
extern size_t mi_usable_size(const void *block);

/*
 * Walks, for gc_free_threading.c and obmalloc.c, while the world is stopped.  The visitor gets each
 * pool once with block NULL, and then the live blocks of that pool.
 */
extern mi_heap_t *mi_heap_get_default(void);
extern bool mi_heap_visit_blocks(const mi_heap_t *heap, bool visit_blocks,
                                 mi_block_visit_fun *visitor, void *arg);
/* the heaps that ended threads have left, with mimalloc 2.1.2 ... */
extern bool _mi_abandoned_pool_visit_blocks(mi_abandoned_pool_t *pool, uint8_t tag,
                                            bool visit_blocks, mi_block_visit_fun *visitor,
                                            void *arg);
/* ... with 2.5.2 ... */
extern bool mi_abandoned_visit_blocks(mi_subproc_id_t subproc, int tag, bool visit_blocks,
                                      mi_block_visit_fun *visitor, void *arg);
/* ... and segment by segment, as the development branch did for a while. */
extern void _mi_arena_field_cursor_init(mi_heap_t *heap, mi_subproc_t *subproc, bool visit_all,
                                        mi_arena_field_cursor_t *cursor);
extern mi_segment_t *_mi_arena_segment_clear_abandoned_next(mi_arena_field_cursor_t *cursor);
extern bool _mi_segment_visit_blocks(mi_segment_t *segment, int tag, bool visit_blocks,
                                     mi_block_visit_fun *visitor, void *arg);
extern void _mi_arena_segment_mark_abandoned(mi_segment_t *segment);
extern void _mi_arena_field_cursor_done(mi_arena_field_cursor_t *cursor);

/* the beginning and the end of an interpreter, for pystate.c, with 2.5.2 */
extern mi_subproc_id_t mi_subproc_new(void);
extern void mi_subproc_delete(mi_subproc_id_t subproc);

/*
 * The beginning and the end of a thread state, for pystate.c.  _mi_heap_init_ex is called with
 * mimalloc 2.1.2, _mi_heap_init with 2.5.2.
 */
extern void _mi_tld_init(mi_tld_t *tld, mi_heap_t *backing);
extern void _mi_heap_init(mi_heap_t *heap, mi_tld_t *tld, mi_arena_id_t arena, bool no_reclaim,
                          uint8_t tag);
extern void _mi_heap_init_ex(mi_heap_t *heap, mi_tld_t *tld, mi_arena_id_t arena, bool no_reclaim,
                             uint8_t tag);
extern void _mi_heap_collect_abandon(mi_heap_t *heap);

static inline mi_arena_id_t _mi_arena_id_none(void)
{
	return 0;
}

/*
 * These are the numbers ARN_LAYOUT_* of arenite.h.  They are written here once more because this
 * header includes nothing of Arenite's; static.c compares them.
 */
#define ARN_ARENA_MASK  (((uintptr_t)1 << 25) - 1)
#define ARN_SLICE_SHIFT 16
#define ARN_POOLS       192
#define ARN_POOL_SHIFT  7
#define ARN_POOL_MASK   ((ARN_ARENA_MASK >> ARN_SLICE_SHIFT) << ARN_POOL_SHIFT)
#define ARN_OWNER       0

/*
 * The word with the thread pointer of the owner of the object's heap.  gc_restore_tid writes it to
 * ob_tid, for every object in every collection, so this has to be short.  One shift is enough,
 * because the slice's number comes out multiplied by the size of a descriptor.  The sum is one of
 * pointers and not of integers, so that gcc makes one load of it.
 */
static inline mi_segment_t *_mi_ptr_segment(const void *object)
{
	uintptr_t address = (uintptr_t)object;
	char *arena = (char *)(address & ~ARN_ARENA_MASK);
	uintptr_t pool = address >> (ARN_SLICE_SHIFT - ARN_POOL_SHIFT) & ARN_POOL_MASK;

	return (mi_segment_t *)(*(char **)(arena + pool + ARN_POOLS) + ARN_OWNER);
}

/*
 * fill_mem_debug asks by this how many bytes at the beginning of a freed object it must leave
 * alone.
 */
extern mi_page_t *_mi_ptr_page(void *block);

/*
 * These are named only in functions of CPython that the bundled allocator would call, and are never
 * called nor defined.
 */
extern bool mi_page_all_free(const mi_page_t *page);
extern bool mi_page_is_in_full(const mi_page_t *page);
extern size_t mi_page_block_size(const mi_page_t *page);
extern mi_heap_t *mi_page_heap(const mi_page_t *page);
extern mi_page_queue_t *mi_page_queue_of(const mi_page_t *page);
extern void _mi_page_free(mi_page_t *page, mi_page_queue_t *queue, bool force);
extern void _mi_page_unfull(mi_page_t *page);

static inline void _mi_memcpy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
}

#endif
