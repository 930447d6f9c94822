/* SPDX-License-Identifier: MIT
 *
 * alloc.c - malloc and free of heaps: the slow paths behind alloc.h, and the functions of
 * arenite.h that are made of both.
 *
 * A slow path of a heap's owner runs between heap_enter and heap_exit, so that the child of a fork
 * can tell a heap on which a thread was at work (process.c).  alloc_end does the work that is
 * put off to slow paths, and then calls heap_exit.
 */
#include "api/alloc.h"

#include "heap/cache.h"
#include "heap/family.h"
#include "heap/guard.h"
#include "heap/trim-heap.h"
#include "heap/large.h"
#include "heap/sample.h"
#include "api/guarded.h"
#include "api/alloc-metered.h"
#include "base/option.h"
#include "base/panic.h"
#include "heap/cell.h"
#include "api/process.h"
#include "api/shortage.h"
#include "api/trim.h"
#include "api/watch.h"
#include "os/raw.h"
#include "heap/remote.h"
#include "heap/stock.h"
#include "heap/sweep.h"
#include "heap/tend.h"
#include "heap/thread.h"

#include <errno.h>
#include <string.h>

/*
 * Is the tag of this handle served?  Otherwise the system's malloc serves it.  If that is Arenite's
 * (libarenite-malloc), it has blocks of MEM, and must not be asked for one.
 */
static bool is_served(const arn_heap *handle)
{
	return process_serves(handle->tag) || (handle->tag == ARN_TAG_MEM && process_has_malloc());
}

bool alloc_serves_all(void)
{
	return process_serves(ARN_TAG_MEM) && process_serves(ARN_TAG_OBJECT);
}

/*
 * With checks on, a thread that owns a heap has its number in its record for as long as it lives.
 * guard_owner looks there to find out whether the owner of a heap has ended.
 */
void alloc_note_owner(void)
{
	if (option(OPTION_CHECKS) > 0)
		store_relaxed(&thread_self()->x_number, owner_self());
}

__thread const arn_heap *borrowed_handle;

/*
 * Give the handle a heap that the calling thread owns: an orphan of its family and tag, or a new
 * one.  The heap is external unless the handle lies in the calling thread's own record, or is on
 * its stack for one call (domain.c): a fork leaves an external heap to its embedder.  It is
 * external before the handle has it: the child of a fork by another thread must not have an orphan
 * that a handle has, too.  A child of a fork between the two stores has lost the heap.  NULL: no
 * memory for a new heap; the handle stays as it was.
 */
static struct heap *adopt(arn_heap *handle)
{
	arn_family *family = handle->family ? handle->family : family_default();
	struct heap *heap = family_adopt(family, handle->tag);
	struct thread *thread = thread_peek();

	if (!heap)
		return NULL;
	arn_yield_point("adopt");
	heap->external = handle != borrowed_handle && (!thread || !thread_has(thread, handle));
	order_for_fork();
	handle->heap = heap->face;
	arn_yield_point("adopted");
	if (heap->row == ROW_NAMES && !heap->external && heap->face == heap)
		thread_names = heap;
	alloc_note_owner();
	return heap;
}

/*
 * The handle has a heap that the calling thread does not own.  The former owner has passed the
 * handle on (arn_heap_pass) or has ended, so the caller becomes the owner.  With checks on,
 * guard_owner aborts the program if the owner is another thread that still runs.  In the child of a
 * fork the heap may be stranded: then the handle gets another one.  NULL: there is no memory for
 * that.
 */
struct heap *alloc_take_over(arn_heap *handle)
{
	struct heap *heap = handle_heap(handle);

	if (load_relaxed(&heap->x_owner) == OWNER_STRANDED)
		return adopt(handle);
	guard_owner(handle);
	family_take_over(heap);
	alloc_note_owner();
	return heap;
}

/*
 * The work that is put off to the end of a slow path of this heap's owner: trimming the heap if
 * somebody asked for it (trim.c), returning pages when too many are unswept, looking after a heap
 * that nobody uses, and checking the heap's records at CHECKS level 3.  After that the heap is
 * whole again, and the page and the file of statistics may be written, and the kernel's count read
 * (watch.h).  With option GUARD, objects whose readers are done are protected (cell.h).
 */
void alloc_end(struct heap *heap)
{
	if (unlikely(load_relaxed(&heap->x_trim)))
		heap_trim(heap);
	sweep_enforce(heap);
	stock_tend(heap);
	tend(heap);
	guard_heap(heap);
	heap_exit(heap);
	if (unlikely(sample_is_metered(heap->face)))
		cell_poll(heap->family);
	watch(heap);
}

/*
 * A block for a request that the bin could not serve.  What other threads have freed to the heap is
 * taken home first: cache_refill does that for small blocks.  NULL: there is no memory, or option
 * LIMIT does not admit more.
 */
static inline void *make_block(struct heap *heap, size_t size, size_t alignment)
{
	if (alloc_has_class(size, alignment))
		return cache_refill(heap, sizeclass_of(size), alignment);
	remote_drain(heap);
	return large_malloc(heap, size, alignment);
}

/* If make_block has failed because of option LIMIT, give back what can be and try once more. */
static cold void *make_room_and_block(struct heap *heap, size_t size, size_t alignment)
{
	void *block = trim_for_limit(heap, size) ? make_block(heap, size, alignment) : NULL;

	return block ? block : shortage_refuse(size);
}

/*
 * The slow path of malloc for a heap that the calling thread owns.  The remote frees that the
 * thread has gathered are sent off here as well, so that they do not wait for long.
 */
void *alloc_from(struct heap *heap, size_t size, size_t alignment)
{
	void *block;

	heap_enter(heap);
	block = make_block(heap, size, alignment);
	if (unlikely(!block))
		block = make_room_and_block(heap, size, alignment);
	remote_flush();
	alloc_end(heap);
	return block ? block : alloc_no_memory();
}

/*
 * What heap_malloc cannot do, also for an alignment that blocks of this size's class have, for one
 * of these reasons:
 * - The handle has no heap yet.  The process is initialized (by is_served), and unless option
 *   DOMAINS leaves the tag to the system's malloc, the handle gets a heap.
 * - The heap belongs to another thread, or to none: take_over.
 * - The size is not in the table of small sizes, or the bin is empty.
 * A heap that was adopted just now brings its cache along, so the bin is tried before the slow path
 * proper begins.  On failure the result is NULL with errno ENOMEM.
 */
static inline void *from_handle(arn_heap *handle, size_t size, size_t alignment)
{
	struct heap *heap = handle_heap(handle);
	void *block;

	if (size > PTRDIFF_MAX)
		return alloc_no_memory();
	if (heap == &heap_none) {
		if (!is_served(handle))
			return raw_malloc(size);
		if (!(heap = adopt(handle)))
			return alloc_no_memory();
		if (unlikely(sample_is_metered(handle->heap)))
			return metered_malloc(handle, size, alignment);
	} else if (unlikely(load_relaxed(&heap->x_owner) != owner_self()) &&
	           !(heap = alloc_take_over(handle))) { /* H2 */
		return alloc_no_memory();
	}
	if (alloc_has_class(size, alignment) &&
	    (block = alloc_pop(heap_bin(heap, sizeclass_of(size)))) != NULL)
		return block;
	return alloc_from(heap, size, alignment);
}

void *alloc_from_handle(arn_heap *handle, size_t size, size_t alignment)
{
	return from_handle(handle, size, alignment);
}

/* The same, through the meter if the handle leads to one. */
static inline void *counted(arn_heap *handle, size_t size, size_t alignment)
{
	if (unlikely(sample_is_metered(handle->heap)))
		return metered_malloc(handle, size, alignment);
	return from_handle(handle, size, alignment);
}

void *malloc_slow(arn_heap *handle, size_t size)
{
	void *block = counted(handle, guard_room(size), ALIGNMENT);

	guard_made(block, size, caller_address());
	return block;
}
EXPORT_PRIVATE(malloc_slow);

void *alloc_growing(arn_heap *handle, size_t size)
{
	size_t room = guard_room(size);
	void *block;

	if (room <= SLICE || room > SMALL_MAX)
		return heap_malloc(handle, size);
	block = counted(handle, room, ALLOC_OWN_POOL);
	guard_made(block, size, caller_address());
	return block;
}

/*
 * Up to a slice there is a size class whose blocks lie as is asked for, so the request becomes one
 * for a block of that class.  For a larger alignment it becomes one for a large block, of at least
 * a slice.
 */
void *malloc_aligned(arn_heap *handle, size_t wanted, size_t alignment)
{
	size_t size = guard_room(wanted);
	void *block;

	if (alignment > SLICE)
		size = max_size(size, SLICE);
	else if (size <= SMALL_MAX)
		size = sizeclasses[sizeclass_aligned(size, alignment)].size;
	block = counted(handle, size, alignment);
	guard_made(block, wanted, caller_address());
	return block;
}

void *arn_heap_malloc(arn_heap *handle, size_t size)
{
	return heap_malloc(handle, size);
}

static void *malloc_counting_bytes(arn_heap *handle, size_t size)
{
	return heap_malloc_counted(COUNT_BYTES, handle, size);
}

static void *malloc_counting_blocks(arn_heap *handle, size_t size)
{
	return heap_malloc_counted(COUNT_BLOCKS, handle, size);
}

arn_heap_malloc_fn *arn_heap_malloc_entry(void)
{
	static arn_heap_malloc_fn *const entries[] = {
		[COUNT_NOTHING] = arn_heap_malloc,
		[COUNT_BYTES] = malloc_counting_bytes,
		[COUNT_BLOCKS] = malloc_counting_blocks,
	};

	return entries[process_counts()];
}

/*
 * Free a block of the calling thread's own heap that does not fit into its bin.  A large block goes
 * straight to its pool.  For any other class the older half of a full bin is flushed to the pools
 * first; a bin without an array sends the block to its pool.
 */
static void free_own(struct heap *heap, struct pool *pool, void *block)
{
	heap_enter(heap);
	if (pool->cls == CLASS_LARGE)
		cache_give_pool(heap, pool, block);
	else
		cache_overflow(heap, pool, block);
	alloc_end(heap);
}

void alloc_check_foreign(const void *block, const void *caller)
{
	if (pool_is_gap(block))
		panic_block("not the start of a block, or freed twice", block, caller);
}
EXPORT_PRIVATE(alloc_check_foreign);

/*
 * Free a block that is in no pool.  It comes from the system's malloc if option DOMAINS leaves a
 * domain to that.  If Arenite serves both domains there are no such blocks, and guard_live reports
 * the misuse.
 */
static cold noinline void free_foreign(void *block, const void *caller)
{
	if (!block)
		return;
	alloc_check_foreign(block, caller);
	if (alloc_serves_all())
		guard_live(NULL, block, caller);
	raw_free(block);
}

/*
 * A block that does not lie beside the one which this thread has freed to another one before.  With
 * checks on every free comes here, because the bins have no arrays then: the block is checked, and
 * overwritten at level 2, before it is freed.  Large blocks are checked always, and so are those in
 * cells (option GUARD), which have a way of their own.  A free cannot fail; misuse that is found
 * ends the program (guard_live, guarded_free).
 */
noinline void alloc_free_in(struct pool *pool, void *block, const void *caller)
{
	if (option(OPTION_CHECKS) > 0 || pool->cls == CLASS_LARGE) {
		if (unlikely(cell_is(pool))) {
			guarded_free(pool, block);
			return;
		}
		guard_live(pool, block, caller);
		guard_freed(pool, block);
	}
	if (unlikely(sample_is(pool)))
		metered_free(pool, block);
	if (!alloc_is_own(pool))
		remote_free(pool, block, caller);
	else if (!free_in_bin(load_relaxed(&pool->x_heap), pool, block))
		free_own(load_relaxed(&pool->x_heap), pool, block);
}

/* What free_cached cannot do, or was not asked to.  The block may be NULL, foreign, large, of
 * another thread's heap, of another heap of this thread, or one for which the bin is full. */
void free_slow(void *block, const void *caller)
{
	struct pool *pool = pool_find(block);

	if (unlikely(!pool))
		free_foreign(block, caller);
	else if (!remote_gather(pool, block))
		alloc_free_in(pool, block, caller);
}
EXPORT_PRIVATE(free_slow);

void arn_free(void *block)
{
	heap_free(block);
}

bool arn_try_free(void *block)
{
	struct pool_view view;

	if (!pool_look(block, &view))
		return false;
	if (unlikely(!free_fast(block)))
		free_slow(block, caller_address());
	return true;
}

static bool product(size_t a, size_t b, size_t *result)
{
	return !__builtin_mul_overflow(a, b, result);
}

/*
 * A block that is known to read as zeros need not be cleared.  Only large pools know that of
 * themselves; clearing pages that the system has just given would make all of them resident.
 */
void *arn_heap_calloc(arn_heap *handle, size_t count, size_t size)
{
	size_t bytes;
	void *block;

	if (!product(count, size, &bytes))
		return alloc_no_memory();
	block = alloc_growing(handle, bytes);
	if (block && !(bytes > SLICE && registry_has(block) && arena_pool_at(block)->reads_zero))
		memset(block, 0, bytes);
	return block;
}
