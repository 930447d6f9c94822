/* SPDX-License-Identifier: MIT
 *
 * Stands for CPython's Objects/obmalloc.c, pystate.c and gc_free_threading.c where only CPython's headers are at hand:
 * includes the overlay in their way, and uses of it what they use.  t/headers.sh compiles it.
 */
#include "Python.h"

#include "pycore_interp.h"
#include "pycore_object.h"
#include "pycore_pystate.h"
#include "pycore_qsbr.h"
#include "pycore_tstate.h"

#include <stdbool.h>

static void _PyMem_mi_page_clear_qsbr(mi_page_t *page);
static bool _PyMem_mi_page_is_safe_to_free(mi_page_t *page);
static bool _PyMem_mi_page_maybe_free(mi_page_t *page, mi_page_queue_t *queue, bool force);
static void _PyMem_mi_page_reclaimed(mi_page_t *page);
static void _PyMem_mi_heap_collect_qsbr(mi_heap_t *heap);
#include "pycore_mimalloc.h"

#include "mimalloc/static.c"
#include "mimalloc/internal.h"

/* The hooks, which nothing calls: what they name must be declared, and need not be there. */
static void _PyMem_mi_page_clear_qsbr(mi_page_t *page)
{
	page->qsbr_goal = 0;
	llist_remove(&page->qsbr_node);
}

static bool _PyMem_mi_page_is_safe_to_free(mi_page_t *page)
{
	return mi_page_all_free(page) && page->use_qsbr && page->capacity * mi_page_block_size(page) > 0;
}

static bool _PyMem_mi_page_maybe_free(mi_page_t *page, mi_page_queue_t *queue, bool force)
{
	if (mi_page_is_in_full(page))
		_mi_page_unfull(page);
	page->retire_expire = 0;
	_mi_page_free(page, queue, force);
	return true;
}

static void _PyMem_mi_page_reclaimed(mi_page_t *page)
{
	_PyMem_mi_page_maybe_free(page, mi_page_queue_of(page), mi_page_heap(page)->tld != NULL);
}

static void _PyMem_mi_heap_collect_qsbr(mi_heap_t *heap)
{
	if (heap->page_use_qsbr)
		heap->debug_offset = 0;
}

static bool count(const mi_heap_t *heap, const mi_heap_area_t *area, void *block, size_t size, void *arg)
{
	(void)heap;
	(void)block;
	(void)size;
	*(size_t *)arg += area->used * area->full_block_size + area->block_size + area->reserved + area->committed;
	return true;
}

void bind(_PyThreadStateImpl *tstate);
void bind(_PyThreadStateImpl *tstate)
{
	mi_tld_t *tld = &tstate->mimalloc.tld;

	_mi_tld_init(tld, &tstate->mimalloc.heaps[_Py_MIMALLOC_HEAP_MEM]);
#ifdef WITH_SUBPROC /* mimalloc 2.5.2 */
	tstate->base.interp->mimalloc.subproc = mi_subproc_new();
	tld->segments.subproc = tstate->base.interp->mimalloc.subproc;
	_mi_heap_init(&tstate->mimalloc.heaps[0], tld, _mi_arena_id_none(), false, 0);
#else
	tld->segments.abandoned = &tstate->base.interp->mimalloc.abandoned_pool;
	_mi_heap_init_ex(&tstate->mimalloc.heaps[0], tld, _mi_arena_id_none(), false, 0);
#endif
	tstate->mimalloc.heaps[0].debug_offset = 24;
	tstate->mimalloc.heaps[0].page_use_qsbr = true;
}

size_t walk(_PyThreadStateImpl *tstate, PyObject *object);
size_t walk(_PyThreadStateImpl *tstate, PyObject *object)
{
	size_t sum = 0;

	mi_heap_visit_blocks(&tstate->mimalloc.heaps[0], false, count, &sum);
#ifdef WITH_SUBPROC
	mi_abandoned_visit_blocks(tstate->base.interp->mimalloc.subproc, 0, true, count, &sum);
	mi_subproc_delete(tstate->base.interp->mimalloc.subproc);
#else
	_mi_abandoned_pool_visit_blocks(&tstate->base.interp->mimalloc.abandoned_pool, 0, true, count, &sum);
#endif
	_mi_heap_collect_abandon(&tstate->mimalloc.heaps[0]);
	return sum + _mi_ptr_segment(object)->thread_id + _mi_ptr_page(object)->debug_offset + MI_BIN_HUGE +
	       MI_SMALL_OBJ_SIZE_MAX + MI_MEDIUM_OBJ_SIZE_MAX + MI_LARGE_OBJ_SIZE_MAX;
}
