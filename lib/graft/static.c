/* SPDX-License-Identifier: MIT
 *
 * static.c - stands in for Objects/mimalloc/static.c of CPython: the functions of internal.h, on
 * Arenite's public interface.
 *
 * obmalloc.c includes this file, so it may use that file's static declarations and the
 * interpreter's hidden functions (_PyThreadState_GET, _Py_qsbr_*).  It is compiled with Arenite's
 * public header on the include path: CPPFLAGS="$(pkg-config --cflags arenite)".
 *
 * Names that mimalloc does not have begin with arenite_.
 */
#include "pycore_mimalloc.h"

#include <arenite/arenite.h>

_Static_assert(sizeof(((mi_heap_t *)0)->arenite) == sizeof(arn_heap),
               "types.h copies the layout of arn_heap");
_Static_assert(offsetof(mi_heap_t, arenite) == 0, "a visitor gets the handle as a mi_heap_t");
_Static_assert(sizeof(mi_heap_area_t) == sizeof(struct arn_area),
               "mimalloc.h copies the layout of arn_area");
_Static_assert(offsetof(mi_heap_area_t, used) == offsetof(struct arn_area, used), "as above");
_Static_assert(offsetof(mi_heap_area_t, full_block_size) ==
                       offsetof(struct arn_area, full_block_size),
               "as above");

_Static_assert(ARN_ARENA_MASK == ((uintptr_t)1 << ARN_LAYOUT_ARENA_SHIFT) - 1,
               "internal.h copies the layout");
_Static_assert(ARN_SLICE_SHIFT == ARN_LAYOUT_SLICE_SHIFT && 1 << ARN_POOL_SHIFT == ARN_LAYOUT_POOL,
               "as above");
_Static_assert(ARN_POOLS == ARN_LAYOUT_POOLS && ARN_OWNER == ARN_LAYOUT_OWNER, "as above");
/*
 * A libarenite with another layout does not have this name: the dynamic linker then refuses to
 * start the program, and names it.
 */
__attribute__((used)) static const char *const arenite_layout = &arn_layout;

/* obmalloc.c defines these for the bundled allocator to call.  Arenite needs none of them. */
__attribute__((unused)) static void _PyMem_mi_page_clear_qsbr(mi_page_t *page);
__attribute__((unused)) static bool _PyMem_mi_page_is_safe_to_free(mi_page_t *page);
__attribute__((unused)) static bool _PyMem_mi_page_maybe_free(mi_page_t *page,
                                                              mi_page_queue_t *queue, bool force);
__attribute__((unused)) static void _PyMem_mi_page_reclaimed(mi_page_t *page);
__attribute__((unused)) static void _PyMem_mi_heap_collect_qsbr(mi_heap_t *heap);

static inline arn_heap *arenite_heap(const mi_heap_t *heap)
{
	return (arn_heap *)&heap->arenite;
}

/* arn_heap_malloc, until the first heap is set up, and then what serves best in this process. */
static arn_heap_malloc_fn *arenite_malloc = arn_heap_malloc;

void *mi_heap_malloc(mi_heap_t *heap, size_t size)
{
	return __atomic_load_n(&arenite_malloc, __ATOMIC_RELAXED)(arenite_heap(heap), size);
}

void *mi_heap_calloc(mi_heap_t *heap, size_t count, size_t size)
{
	return arn_heap_calloc(arenite_heap(heap), count, size);
}

void *mi_heap_realloc(mi_heap_t *heap, void *block, size_t size)
{
	return arn_heap_realloc(arenite_heap(heap), block, size);
}

size_t mi_usable_size(const void *block)
{
	return arn_usable_size(block);
}

/*
 * Requests without a heap.  In a free-threaded build these are the raw domain of 3.15 and later,
 * which goes to the system's allocator.  In a build with the GIL, where mimalloc is an option for
 * the domains mem and object, they are those two.
 */
#ifdef Py_GIL_DISABLED
void *mi_malloc(size_t size)
{
	return arn_raw_malloc(size);
}

void *mi_calloc(size_t count, size_t size)
{
	return arn_raw_calloc(count, size);
}

void *mi_realloc(void *block, size_t size)
{
	return arn_raw_realloc(block, size);
}
#else
void *mi_malloc(size_t size)
{
	return arn_mem_malloc(size);
}

void *mi_calloc(size_t count, size_t size)
{
	return arn_mem_calloc(count, size);
}

void *mi_realloc(void *block, size_t size)
{
	return arn_mem_realloc(block, size);
}
#endif

#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030f0000
/* _PyMem_MiRawFree calls this, too, so the address has to decide whose block it is. */
void mi_free(void *block)
{
	arn_any_free(block);
}
#else
void mi_free(void *block)
{
	arn_free(block);
}
#endif

#ifdef Py_GIL_DISABLED
/* The thread state of the calling thread, or NULL while it is detached. */
static _PyThreadStateImpl *arenite_tstate(void)
{
	return (_PyThreadStateImpl *)_PyThreadState_GET();
}

/*
 * In bytes: as long as less has become free, the shared counter is not written.  All threads read
 * it all the time.  The bundled allocator has the same bound.
 */
#define ARN_QSBR_LIMIT (4096 * 20)

/*
 * The goal for a pool of so many bytes that has just become empty.  As long as little memory has
 * become free it is the next number, which has not been issued: whoever issues that serves all
 * pools that wait for it.  Otherwise the sequence is advanced.
 */
static uint64_t arenite_goal(size_t bytes)
{
	static _Thread_local size_t deferred;
	_PyThreadStateImpl *tstate = arenite_tstate();

	deferred += bytes;
	if (deferred <= ARN_QSBR_LIMIT) {
		return _Py_qsbr_shared_next(tstate->qsbr->shared);
	}
	deferred = 0;
	return _Py_qsbr_advance(tstate->qsbr->shared);
}

/*
 * Issue this goal, unless that has happened.  A pool waits for it, and perhaps no thread will ever
 * free enough to advance the sequence.  If the compare-and-swap fails, another thread has issued a
 * number.
 */
static void arenite_issue(struct _qsbr_shared *shared, uint64_t goal)
{
	uint64_t current = _Py_qsbr_shared_current(shared);

	if (QSBR_LT(current, goal)) {
		_Py_atomic_compare_exchange_uint64(&shared->wr_seq, &current, goal);
	}
}

/*
 * Have all readers passed this goal?  false: some thread that is attached has not been quiescent
 * since.  The pool then waits on, and a later call asks again.
 */
static bool arenite_reached(uint64_t goal)
{
	_PyThreadStateImpl *tstate = arenite_tstate();

	/* A thread that runs while the world is stopped has stopped it, and no other reads. */
	if (tstate->base.interp->stoptheworld.world_stopped) {
		return true;
	}
	arenite_issue(tstate->qsbr->shared, goal);
	return _Py_qsbr_poll(tstate->qsbr, goal);
}

/*
 * Is the calling thread attached to the interpreter of this family?  As long as it is, that
 * interpreter's world cannot be stopped by another thread and its heaps cannot be walked.
 */
static bool arenite_is_user(const arn_family *family)
{
	_PyThreadStateImpl *tstate = arenite_tstate();

	return tstate != NULL &&
	       (arn_family *)tstate->mimalloc.heaps[_Py_MIMALLOC_HEAP_MEM].arenite.family == family;
}

static const struct arn_provider arenite_qsbr = { arenite_goal, arenite_reached, arenite_is_user };

/*
 * The family of this thread state's interpreter.  Thread states are bound while other threads run,
 * so two may ask arn_family_at for it at the same time: the compare-and-swap decides which answer
 * is used from then on.  The family is found again by the address of the interpreter, so an
 * interpreter that has ended leaves its heaps to the next one that CPython makes there, whatever
 * became of the subprocess.  Without memory for it CPython cannot go on: pystate.c expects no
 * failure here.
 */
static arn_family *arenite_family(mi_tld_t *tld)
{
	_PyThreadStateImpl *tstate =
		(_PyThreadStateImpl *)((char *)tld - offsetof(_PyThreadStateImpl, mimalloc.tld));
	mi_subproc_t *subproc = tld->segments.subproc;
	void *family = __atomic_load_n(&subproc->family, __ATOMIC_ACQUIRE);
	void *made;

	if (family != NULL) {
		return family;
	}
	made = arn_family_at(&arenite_qsbr, tstate->base.interp);
	if (made == NULL) {
		Py_FatalError("arenite: no memory for an interpreter's heaps");
	}
	if (__atomic_compare_exchange_n(&subproc->family, &family, made, false, __ATOMIC_ACQ_REL,
	                                __ATOMIC_ACQUIRE)) {
		return made;
	}
	return family;
}

/*
 * The page is one for each thread, and only its debug_offset is filled: CPython reads that at once.
 */
mi_page_t *_mi_ptr_page(void *block)
{
	static _Thread_local mi_page_t page;
	enum arn_tag tag = arn_tag_of(block);
	struct _mimalloc_thread_state *state = &arenite_tstate()->mimalloc;

	page.debug_offset = state->heaps[tag < ARN_TAGS ? tag : ARN_TAG_OBJECT].debug_offset;
	return &page;
}
#else
/* In a build with the GIL there are no heaps of thread states. */
static arn_family *arenite_family(mi_tld_t *tld)
{
	(void)tld;
	return NULL;
}
#endif

/* NULL: there is no memory, and CPython does not make the interpreter. */
mi_subproc_id_t mi_subproc_new(void)
{
	return arn_raw_calloc(1, sizeof(mi_subproc_t));
}

/*
 * The interpreter has ended.  Its heaps stay in their family, and no block or heap refers to the
 * subprocess.  So objects that outlive the interpreter can still be freed, and the next interpreter
 * at this address gets what is free.
 */
void mi_subproc_delete(mi_subproc_id_t subproc)
{
	arn_raw_free(subproc);
}

void _mi_tld_init(mi_tld_t *tld, mi_heap_t *backing)
{
	(void)tld;
	(void)backing;
}

/*
 * The world may be stopped and walked while this runs, so nothing but the handle is touched: its
 * heap is adopted at its first malloc, when the thread is attached.
 */
void _mi_heap_init(mi_heap_t *heap, mi_tld_t *tld, mi_arena_id_t arena, bool no_reclaim,
                   uint8_t tag)
{
	(void)arena;
	(void)no_reclaim;
	heap->tld = tld;
	__atomic_store_n(&arenite_malloc, arn_heap_malloc_entry(), __ATOMIC_RELAXED);
	arn_heap_init(arenite_heap(heap), arenite_family(tld), (enum arn_tag)tag);
}

void _mi_heap_init_ex(mi_heap_t *heap, mi_tld_t *tld, mi_arena_id_t arena, bool no_reclaim,
                      uint8_t tag)
{
	_mi_heap_init(heap, tld, arena, no_reclaim, tag);
}

void _mi_heap_collect_abandon(mi_heap_t *heap)
{
	arn_heap_abandon(arenite_heap(heap));
}

/*
 * sys._debugmallocstats() asks for the default heap and walks it.  It gets this one, for which sums
 * over the whole process are reported.
 */
static mi_heap_t arenite_everything;

mi_heap_t *mi_heap_get_default(void)
{
	return &arenite_everything;
}

/*
 * The visitor multiplies the blocks of an area by their size.  With two areas for each tag, of
 * which the second has blocks that are one byte larger, the numbers of blocks and of bytes both
 * come out exactly.
 */
static bool arenite_visit_everything(mi_block_visit_fun *visitor, void *arg)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	for (int tag = 0; tag < ARN_TAGS; tag++) {
		const struct arn_stats_tag *t = &stats.tag[tag];
		size_t size = t->live_blocks ? t->live_bytes / t->live_blocks : 0;
		size_t larger = t->live_blocks ? t->live_bytes % t->live_blocks : 0;
		mi_heap_area_t low = { NULL, t->pool_bytes, t->pool_bytes, t->live_blocks - larger,
			               size, size };
		mi_heap_area_t high = { NULL, 0, 0, larger, size + 1, size + 1 };

		if (!visitor(&arenite_everything, &low, NULL, size, arg) ||
		    !visitor(&arenite_everything, &high, NULL, size + 1, arg)) {
			return false;
		}
	}
	return true;
}

/*
 * The collector walks only the heaps of its own tags.  The heaps for MEM and OBJECT come before
 * them in the thread state and may be as idle, so they are looked after here.
 */
static void arenite_rest(const mi_heap_t *heap)
{
	if (arenite_heap(heap)->tag == ARN_TAG_GC) {
		arn_heap_trim_if_idle(arenite_heap(heap - ARN_TAG_GC + ARN_TAG_MEM));
		arn_heap_trim_if_idle(arenite_heap(heap - ARN_TAG_GC + ARN_TAG_OBJECT));
	}
}

bool mi_heap_visit_blocks(const mi_heap_t *heap, bool visit_blocks, mi_block_visit_fun *visitor,
                          void *arg)
{
	if (heap == &arenite_everything) {
		return arenite_visit_everything(visitor, arg);
	}
	arenite_rest(heap);
	return arn_heap_visit(arenite_heap(heap), visit_blocks, (arn_visit_fn *)visitor, arg);
}

/* Before the first thread state is bound there is no family, and nothing to visit. */
bool mi_abandoned_visit_blocks(mi_subproc_id_t id, int tag, bool visit_blocks,
                               mi_block_visit_fun *visitor, void *arg)
{
	mi_subproc_t *subproc = id;
	arn_family *family = __atomic_load_n(&subproc->family, __ATOMIC_ACQUIRE);

	return family == NULL || arn_family_visit_orphans(family, (enum arn_tag)tag, visit_blocks,
	                                                  (arn_visit_fn *)visitor, arg);
}

bool _mi_abandoned_pool_visit_blocks(mi_abandoned_pool_t *pool, uint8_t tag, bool visit_blocks,
                                     mi_block_visit_fun *visitor, void *arg)
{
	return mi_abandoned_visit_blocks(pool, tag, visit_blocks, visitor, arg);
}

/*
 * The same as a walk over segments, as the development branch did it for a while: there is one
 * segment, which stands for all of the subprocess.
 */
void _mi_arena_field_cursor_init(mi_heap_t *heap, mi_subproc_t *subproc, bool visit_all,
                                 mi_arena_field_cursor_t *cursor)
{
	(void)heap;
	(void)visit_all;
	cursor->subproc = subproc;
}

mi_segment_t *_mi_arena_segment_clear_abandoned_next(mi_arena_field_cursor_t *cursor)
{
	mi_subproc_t *subproc = cursor->subproc;

	cursor->subproc = NULL;
	return subproc == NULL ? NULL : &subproc->orphans;
}

bool _mi_segment_visit_blocks(mi_segment_t *segment, int tag, bool visit_blocks,
                              mi_block_visit_fun *visitor, void *arg)
{
	mi_subproc_t *subproc = (mi_subproc_t *)((char *)segment - offsetof(mi_subproc_t, orphans));

	return mi_abandoned_visit_blocks(subproc, tag, visit_blocks, visitor, arg);
}

void _mi_arena_segment_mark_abandoned(mi_segment_t *segment)
{
	(void)segment;
}

void _mi_arena_field_cursor_done(mi_arena_field_cursor_t *cursor)
{
	(void)cursor;
}
