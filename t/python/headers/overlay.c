/* SPDX-License-Identifier: MIT
 *
 * Stands for CPython's Objects/obmalloc.c, pystate.c and gc_free_threading.c where only CPython's
 * headers are at hand: includes the overlay in their way, and uses of it what they use, on
 * interpreters that are no more than the memory of their state.  t/python/overlay.sh compiles and
 * runs it.
 */
#include "Python.h"

#include "pycore_interp.h"
#include "pycore_object.h"
#include "pycore_pystate.h"
#include "pycore_qsbr.h"
#include "pycore_tstate.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	return mi_page_all_free(page) && page->use_qsbr &&
	       page->capacity * mi_page_block_size(page) > 0;
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

/* What of CPython the overlay calls.  Nobody reads here: each goal is reached at once. */
_Py_thread_local PyThreadState *_Py_tss_tstate;

uint64_t _Py_qsbr_advance(struct _qsbr_shared *shared)
{
	return shared->wr_seq += QSBR_INCR;
}

uint64_t _Py_qsbr_shared_next(struct _qsbr_shared *shared)
{
	return shared->wr_seq + QSBR_INCR;
}

bool _Py_qsbr_poll(struct _qsbr_thread_state *qsbr, uint64_t goal)
{
	return !QSBR_LT(qsbr->shared->wr_seq, goal);
}

void _Py_NO_RETURN _Py_FatalErrorFunc(const char *function, const char *message)
{
	fprintf(stderr, "%s: %s\n", function, message);
	abort();
}

static int failed;

static void check(bool good, const char *what)
{
	if (!good)
		printf("not so: %s\n", what);
	failed |= !good;
}

static void begin(PyInterpreterState *interp)
{
	memset(interp, 0, sizeof(*interp));
	interp->qsbr.wr_seq = interp->qsbr.rd_seq = QSBR_INITIAL;
#ifdef WITH_SUBPROC /* mimalloc 2.5.2 */
	interp->mimalloc.subproc = mi_subproc_new();
	check(interp->mimalloc.subproc != NULL, "there is a subprocess");
#endif
}

static void end(PyInterpreterState *interp)
{
#ifdef WITH_SUBPROC
	mi_subproc_delete(interp->mimalloc.subproc);
#endif
	memset(interp, 0xdd, sizeof(*interp));
}

/* A thread state that is current */
static _PyThreadStateImpl *attach(PyInterpreterState *interp)
{
	_PyThreadStateImpl *tstate = calloc(1, sizeof(*tstate));
	struct _qsbr_thread_state *qsbr = calloc(1, sizeof(*qsbr));
	mi_tld_t *tld = &tstate->mimalloc.tld;

	qsbr->shared = &interp->qsbr;
	tstate->qsbr = qsbr;
	tstate->base.interp = interp;
	_mi_tld_init(tld, &tstate->mimalloc.heaps[_Py_MIMALLOC_HEAP_MEM]);
#ifdef WITH_SUBPROC
	tld->segments.subproc = interp->mimalloc.subproc;
#else
	tld->segments.abandoned = &interp->mimalloc.abandoned_pool;
#endif
	for (uint8_t i = 0; i < _Py_MIMALLOC_HEAP_COUNT; i++) {
#ifdef WITH_SUBPROC
		_mi_heap_init(&tstate->mimalloc.heaps[i], tld, _mi_arena_id_none(), false, i);
#else
		_mi_heap_init_ex(&tstate->mimalloc.heaps[i], tld, _mi_arena_id_none(), false, i);
#endif
		tstate->mimalloc.heaps[i].debug_offset = 24;
		tstate->mimalloc.heaps[i].page_use_qsbr = i != _Py_MIMALLOC_HEAP_MEM;
	}
	_Py_tss_tstate = &tstate->base;
	return tstate;
}

static void detach(_PyThreadStateImpl *tstate)
{
	for (int i = 0; i < _Py_MIMALLOC_HEAP_COUNT; i++)
		_mi_heap_collect_abandon(&tstate->mimalloc.heaps[i]);
	_Py_tss_tstate = NULL;
	free(tstate->qsbr);
	memset(tstate, 0xdd, sizeof(*tstate));
	free(tstate);
}

static bool count(const mi_heap_t *heap, const mi_heap_area_t *area, void *block, size_t size,
                  void *arg)
{
	(void)heap;
	(void)size;
	check(area->full_block_size >= area->block_size && area->reserved >= area->committed,
	      "an area is one");
	*(size_t *)arg += block != NULL;
	return true;
}

static size_t live(const _PyThreadStateImpl *tstate)
{
	size_t blocks = 0;

	mi_heap_visit_blocks(&tstate->mimalloc.heaps[_Py_MIMALLOC_HEAP_GC], true, count, &blocks);
	return blocks;
}

/* The same by segments, as pycore_mimalloc.h of the development branch did */
static size_t left_in_segments(mi_subproc_t *subproc)
{
	mi_arena_field_cursor_t cursor;
	mi_segment_t *segment;
	size_t blocks = 0;

	_mi_arena_field_cursor_init(NULL, subproc, true, &cursor);
	while ((segment = _mi_arena_segment_clear_abandoned_next(&cursor)) != NULL) {
		_mi_segment_visit_blocks(segment, _Py_MIMALLOC_HEAP_GC, true, count, &blocks);
		_mi_arena_segment_mark_abandoned(segment);
	}
	_mi_arena_field_cursor_done(&cursor);
	return blocks;
}

/* What ended threads have left in the heap of collected objects */
static size_t left(PyInterpreterState *interp)
{
#ifdef WITH_SUBPROC
	mi_subproc_t *subproc = interp->mimalloc.subproc;
#else
	mi_subproc_t *subproc = &interp->mimalloc.abandoned_pool;
#endif
	size_t blocks = 0;

#ifdef WITH_SUBPROC
	mi_abandoned_visit_blocks(subproc, _Py_MIMALLOC_HEAP_GC, true, count, &blocks);
#else
	_mi_abandoned_pool_visit_blocks(subproc, _Py_MIMALLOC_HEAP_GC, true, count, &blocks);
#endif
	check(left_in_segments(subproc) == blocks, "a walk over segments meets the same blocks");
	return blocks;
}

#define OBJECTS 300

static void make(_PyThreadStateImpl *tstate, void *object[OBJECTS])
{
	for (int i = 0; i < OBJECTS; i++)
		object[i] = mi_heap_malloc(&tstate->mimalloc.heaps[_Py_MIMALLOC_HEAP_GC],
		                           48 + 16 * (i % 9));
}

static void check_threads(PyInterpreterState *interp, PyInterpreterState *other)
{
	_PyThreadStateImpl *tstate = attach(interp);
	void *object[OBJECTS];
	arn_family *family;

	make(tstate, object);
	family = arenite_family(&tstate->mimalloc.tld);
	check(live(tstate) == OBJECTS && left(interp) == 0, "a thread's objects are its own");
	check(_mi_ptr_segment(object[7])->thread_id == _Py_ThreadId(), "they know their thread");
	check(_mi_ptr_page(object[7])->debug_offset == 24, "and their debug_offset");
	check(arenite_is_user(family), "it uses its interpreter's family");
	detach(tstate);
	check(!arenite_is_user(family), "nobody does without a thread state");
	check(left(interp) == OBJECTS, "they are met when the thread has ended");
	check(_mi_ptr_segment(object[7])->thread_id == 0, "and are nobody's");
	tstate = attach(other);
	check(!arenite_is_user(family), "nor does another interpreter's");
	check(live(tstate) == 0 && left(other) == 0, "which meets none of them");
	detach(tstate);
	tstate = attach(interp);
	mi_free(mi_heap_malloc(&tstate->mimalloc.heaps[_Py_MIMALLOC_HEAP_GC], 48));
	check(live(tstate) == OBJECTS && left(interp) == 0, "the next thread takes them over");
	for (int i = 0; i < OBJECTS; i++)
		mi_free(object[i]);
	check(live(tstate) == 0, "and frees them");
	detach(tstate);
}

/* Interpreters that end with live objects, one after the other at one address */
static void check_interpreters(PyInterpreterState *interp)
{
	void *object[OBJECTS];
	struct arn_stats before, after;

	for (int round = 0; round < 50; round++) {
		_PyThreadStateImpl *tstate;

		begin(interp);
		tstate = attach(interp);
		check(live(tstate) == 0 && left(interp) == 0,
		      "a new interpreter meets no objects of an ended one");
		make(tstate, object);
		detach(tstate);
		end(interp);
		for (int i = 0; i < OBJECTS; i++)
			mi_free(object[i]);
		arn_stats_read(round == 5 ? &before : &after, sizeof(after));
	}
	check(after.tag[ARN_TAG_GC].live_blocks == 0,
	      "objects can be freed after their interpreter");
	check(after.claimed_bytes <= before.claimed_bytes, "and their memory is used again");
}

int main(void)
{
	/* an interpreter's state is aligned to a cache line */
	PyInterpreterState *interp = aligned_alloc(64, (sizeof(*interp) + 63) / 64 * 64);
	PyInterpreterState *other = aligned_alloc(64, (sizeof(*other) + 63) / 64 * 64);

	begin(interp);
	begin(other);
	check_threads(interp, other);
	check(MI_SMALL_OBJ_SIZE_MAX < MI_MEDIUM_OBJ_SIZE_MAX &&
	              MI_MEDIUM_OBJ_SIZE_MAX < MI_LARGE_OBJ_SIZE_MAX && MI_BIN_HUGE > 0,
	      "the sizes that are printed");
	end(other);
	end(interp);
	check_interpreters(interp);
	free(interp);
	free(other);
	return failed;
}
