/* SPDX-License-Identifier: MIT
 *
 * mimalloc.h - stands in for Include/internal/mimalloc/mimalloc.h of CPython: the names by which
 * CPython calls its bundled allocator, served by Arenite.  CPython bundles mimalloc 2.1.2 or, in
 * the newest releases, 2.5.2: the overlay has the names of both.  Self-contained: extensions that
 * include CPython's internal headers need nothing of ours on their include path.
 */
#ifndef MIMALLOC_H
#define MIMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mi_heap_s mi_heap_t;
typedef int mi_arena_id_t;
typedef void *mi_subproc_id_t; /* a mi_subproc_t *, see types.h */

/* the layout of struct arn_area */
typedef struct mi_heap_area_s {
	void *blocks;
	size_t reserved;
	size_t committed;
	size_t used;
	size_t block_size;
	size_t full_block_size;
} mi_heap_area_t;

/* the shape of arn_visit_fn */
typedef bool(mi_block_visit_fun)(const mi_heap_t *heap, const mi_heap_area_t *area, void *block,
                                 size_t block_size, void *arg);

#endif
