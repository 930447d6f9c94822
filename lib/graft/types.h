/* SPDX-License-Identifier: MIT
 *
 * types.h - stands in for Include/internal/mimalloc/mimalloc/types.h of CPython.  A heap is a handle: the pools
 * stand in Arenite's memory, nothing points back into a thread state.
 */
#ifndef MIMALLOC_TYPES_H
#define MIMALLOC_TYPES_H

#include "../mimalloc.h"

/* printed by sys._debugmallocstats() */
#define MI_SMALL_OBJ_SIZE_MAX ((size_t)1024)
#define MI_MEDIUM_OBJ_SIZE_MAX ((size_t)64 * 1024)
#define MI_LARGE_OBJ_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define MI_BIN_HUGE (68U)

/* One for each interpreter, zeroed by CPython: the family of its heaps, made on first use. */
typedef struct mi_abandoned_pool_s {
    void *family;
} mi_abandoned_pool_t;

typedef struct mi_tld_s {
    struct {
        mi_abandoned_pool_t *abandoned;
    } segments;
} mi_tld_t;

struct mi_heap_s {
    struct {
        void *heap;
        void *family;
        unsigned tag;
    } arenite;            /* the layout of arn_heap */
    mi_tld_t *tld;
    uint8_t debug_offset; /* written by CPython */
    bool page_use_qsbr;   /* written by CPython; Arenite goes by the tag */
};

/* What CPython asks a block about: the thread that may own its object. */
typedef struct mi_segment_s {
    uintptr_t thread_id;
} mi_segment_t;

/* Of a page only debug_offset is real.  The other fields are named in hooks of CPython that nothing calls. */
typedef struct mi_page_s {
    uint8_t debug_offset;
    uint8_t retire_expire;
    bool use_qsbr;
    uint16_t capacity;
    uint64_t qsbr_goal;
    struct llist_node qsbr_node; /* pycore_llist.h comes in before this file */
} mi_page_t;

typedef struct mi_page_queue_s mi_page_queue_t;

#endif
