/* SPDX-License-Identifier: MIT
 *
 * mimalloc.h - stands in for Include/internal/mimalloc/mimalloc.h of CPython: the types by which
 * CPython knows its bundled allocator.
 *
 * CPython bundles mimalloc 2.1.2 or, in the newest releases, 2.5.2, and the overlay has the names
 * of both.  This header includes nothing of Arenite's, so extensions that include CPython's
 * internal headers need nothing more on their include path.
 */
#ifndef MIMALLOC_H
#define MIMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mi_heap_s mi_heap_t;
typedef int mi_arena_id_t;
typedef void *mi_subproc_id_t; /* a pointer to mi_subproc_t, see types.h */

/*
 * The layout is that of struct arn_area; static.c compares them.  All sizes are in bytes, and
 * `used` is a number of blocks.
 */
typedef struct mi_heap_area_s {
	void *blocks;
	size_t reserved;
	size_t committed;
	size_t used;
	size_t block_size;
	size_t full_block_size;
} mi_heap_area_t;

/* The same as arn_visit_fn.  false: the walk ends. */
typedef bool(mi_block_visit_fun)(const mi_heap_t *heap, const mi_heap_area_t *area, void *block,
                                 size_t block_size, void *arg);

#endif
