/* SPDX-License-Identifier: MIT
 *
 * types.h - stands in for Include/internal/mimalloc/mimalloc/types.h of CPython.
 *
 * CPython has its heaps by value inside a thread state, and they end with it.  So here a heap is
 * only a handle: its pools are in Arenite's memory, and nothing in there points back into a thread
 * state.
 */
#ifndef MIMALLOC_TYPES_H
#define MIMALLOC_TYPES_H

#include "../mimalloc.h"

/* sys._debugmallocstats() prints these. */
#define MI_SMALL_OBJ_SIZE_MAX  ((size_t)1024)
#define MI_MEDIUM_OBJ_SIZE_MAX ((size_t)64 * 1024)
#define MI_LARGE_OBJ_SIZE_MAX  ((size_t)16 * 1024 * 1024)
#define MI_BIN_HUGE            (68U)

/* Of the segment of a block, CPython reads only which thread may own its object. */
typedef struct mi_segment_s {
	uintptr_t thread_id;
} mi_segment_t;

/*
 * One for each interpreter: the family of its heaps, which is made when the first thread state is
 * bound.  CPython with mimalloc 2.1.2 calls this mi_abandoned_pool_t and has it by value in its
 * interpreter state, zeroed.  With 2.5.2 it asks mi_subproc_new for one.
 */
typedef struct mi_subproc_s {
	void *family;
	/* where CPython asks for the segments of ended threads, it gets this one for all of them */
	mi_segment_t orphans;
} mi_subproc_t;

typedef mi_subproc_t mi_abandoned_pool_t;

typedef struct mi_tld_s {
	struct {
		union {
			mi_abandoned_pool_t *abandoned; /* written by CPython with mimalloc 2.1.2 */
			mi_subproc_t *subproc;          /* with 2.5.2 */
		};
	} segments;
} mi_tld_t;

/*
 * The state of a walk over the segments that ended threads have left.  CPython sees one segment,
 * which stands for all of them.
 */
typedef struct mi_arena_field_cursor_s {
	mi_subproc_t *subproc; /* NULL: the walk is over */
} mi_arena_field_cursor_t;

struct mi_heap_s {
	struct {
		void *heap;
		void *family;
		unsigned tag;
	} arenite; /* the layout of arn_heap */
	mi_tld_t *tld;
	uint8_t debug_offset; /* written by CPython */
	bool page_use_qsbr;   /* written by CPython; Arenite goes by the tag */
};

/*
 * Of a page only debug_offset means something.  The other fields are named in functions of CPython
 * that nothing calls.
 */
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
