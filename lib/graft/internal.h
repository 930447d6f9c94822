/* SPDX-License-Identifier: MIT
 *
 * internal.h - stands in for Include/internal/mimalloc/mimalloc/internal.h of CPython: what
 * obmalloc.c, gc_free_threading.c and pystate.c call.  The functions are in static.c, part of
 * obmalloc.c's translation unit.
 */
#ifndef MIMALLOC_INTERNAL_H
#define MIMALLOC_INTERNAL_H

#include <string.h>

#include "types.h"

#define mi_likely(x) (__builtin_expect(!!(x), 1))

/* allocation: obmalloc.c */
extern void *mi_heap_malloc(mi_heap_t *heap, size_t size);
extern void *mi_heap_calloc(mi_heap_t *heap, size_t count, size_t size);
extern void *mi_heap_realloc(mi_heap_t *heap, void *block, size_t size);
extern void *mi_malloc(size_t size);
extern void *mi_calloc(size_t count, size_t size);
extern void *mi_realloc(void *block, size_t size);
extern void mi_free(void *block);
extern size_t mi_usable_size(const void *block);

/* walks: gc_free_threading.c, obmalloc.c.  Each pool once with block NULL, then its live blocks. */
extern mi_heap_t *mi_heap_get_default(void);
extern bool mi_heap_visit_blocks(const mi_heap_t *heap, bool visit_blocks,
                                 mi_block_visit_fun *visitor, void *arg);
/* what ended threads have left, with mimalloc 2.1.2 ... */
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

/* life of an interpreter: pystate.c, with 2.5.2 */
extern mi_subproc_id_t mi_subproc_new(void);
extern void mi_subproc_delete(mi_subproc_id_t subproc);

/* life of a thread state: pystate.c; _mi_heap_init_ex with 2.1.2, _mi_heap_init with 2.5.2 */
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

/* arenite.h: ARN_LAYOUT_*; static.c compares them */
#define ARN_ARENA_MASK  (((uintptr_t)1 << 25) - 1)
#define ARN_SLICE_SHIFT 16
#define ARN_POOLS       192
#define ARN_POOL_SHIFT  7
#define ARN_POOL_MASK   ((ARN_ARENA_MASK >> ARN_SLICE_SHIFT) << ARN_POOL_SHIFT)
#define ARN_OWNER       0

/* The owner of the object's heap: what gc_restore_tid writes to ob_tid, for every object of every
 * collection.  One shift: the slice's number comes out multiplied by the size of a descriptor.  A
 * sum of pointers, not of integers: gcc makes one load of it. */
static inline mi_segment_t *_mi_ptr_segment(const void *object)
{
	uintptr_t address = (uintptr_t)object;
	char *arena = (char *)(address & ~ARN_ARENA_MASK);
	uintptr_t pool = address >> (ARN_SLICE_SHIFT - ARN_POOL_SHIFT) & ARN_POOL_MASK;

	return (mi_segment_t *)(*(char **)(arena + pool + ARN_POOLS) + ARN_OWNER);
}

/* fill_mem_debug asks how many first bytes of a freed object to leave alone. */
extern mi_page_t *_mi_ptr_page(void *block);

/* Named only in hooks that the bundled allocator would call. */
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
