/* SPDX-License-Identifier: MIT
 *
 * domain.c - the three domains that Python calls, as C functions.
 *
 * arn_mem_* and arn_obj_* use two heaps in the calling thread's record (thread.h), and names_*,
 * behind the libc names, a third one.  A thread that has no record borrows a heap for each call.
 * arn_raw_* pass the call on to the system's malloc and count what they do in the record, so that
 * the statistics can tell.  Where the system's malloc is libarenite-malloc, its blocks are counted
 * there, and not as raw.
 */
#include "api/alloc.h"
#include "os/raw.h"
#include "heap/thread.h"

/* Is it a block, and none of Arenite? */
static bool is_raw(const void *block)
{
	return block && !pool_find(block);
}

/* Count a block of the raw domain, with the bytes that the system's malloc has set aside for it. */
static void count_made(struct thread *thread, void *block)
{
	if (!is_raw(block))
		return;
	thread_count(thread, &thread->x_raw_mallocs, 1);
	thread_count(thread, &thread->x_raw_bytes, raw_usable(block));
}

/*
 * The counter of bytes wraps below zero in a thread that frees what others have made: only the sum
 * over all threads has a meaning.
 */
static void count_freed(struct thread *thread, size_t bytes)
{
	thread_count(thread, &thread->x_raw_frees, 1);
	thread_count(thread, &thread->x_raw_bytes, 0 - bytes);
}

void *arn_raw_malloc(size_t size)
{
	void *block = size > PTRDIFF_MAX ? NULL : raw_malloc(size);

	count_made(thread_self(), block);
	return block;
}

void *arn_raw_calloc(size_t count, size_t size)
{
	void *block = raw_calloc(count, size);

	count_made(thread_self(), block);
	return block;
}

/*
 * The old size has to be read before the block goes.  If there is no memory the old block stays,
 * and so does its count.
 */
void *arn_raw_realloc(void *block, size_t size)
{
	bool counted = is_raw(block);
	size_t old = counted ? raw_usable(block) : 0;
	void *moved;

	if (block && !counted)
		alloc_check_foreign(block, caller_address());
	moved = size > PTRDIFF_MAX ? NULL : raw_realloc(block, size);
	if (!moved)
		return NULL;
	if (counted)
		count_freed(thread_self(), old);
	count_made(thread_self(), moved);
	return moved;
}

void arn_raw_free(void *block)
{
	if (is_raw(block))
		count_freed(thread_self(), raw_usable(block));
	else
		alloc_check_foreign(block, caller_address());
	raw_free(block);
}

/* The address decides: what is in none of our arenas is a block of the raw domain. */
void arn_any_free(void *block)
{
	if (likely(free_fast(block)))
		return;
	if (pool_find(block))
		free_slow(block, caller_address());
	else
		arn_raw_free(block);
}

/*
 * One of the heaps in the calling thread's record (thread.h), by its place there.  NULL: the thread
 * has no record, and can get none, because it has ended or there is no memory.  It then borrows a
 * heap for each call.
 */
static inline arn_heap *own(unsigned place)
{
	struct thread *thread = thread_self();

	return likely(thread != &thread_none) ? &thread->heap[place] : NULL;
}

/*
 * A heap is taken for one call and becomes an orphan again (arn_heap_abandon).  So a thread without
 * a record leaves nothing behind that somebody would have to hand back.  Nor does it in the child
 * of a fork by another thread: there the heap is an orphan, as that of any thread that is gone.
 */
static void borrow(arn_heap *heap, unsigned place)
{
	if (!BUG(borrow_for_good))
		borrowed_handle = heap;
	if (place == THREAD_NAMES)
		arn_heap_init(heap, &family_of_names, ARN_TAG_MEM);
	else
		arn_heap_init(heap, NULL, (enum arn_tag)place);
}

static void give_up(arn_heap *heap)
{
	arn_heap_abandon(heap);
	borrowed_handle = NULL;
}

static cold void *calloc_borrowed(unsigned place, size_t count, size_t size)
{
	arn_heap heap;
	void *block;

	borrow(&heap, place);
	block = arn_heap_calloc(&heap, count, size);
	give_up(&heap);
	return block;
}

/* The same for realloc, and for malloc, which is a realloc of NULL. */
static cold void *realloc_borrowed(unsigned place, void *block, size_t size)
{
	arn_heap heap;

	borrow(&heap, place);
	block = arn_heap_realloc(&heap, block, size);
	give_up(&heap);
	return block;
}

/* The same for an aligned block. */
static cold void *aligned_borrowed(unsigned place, size_t size, size_t alignment)
{
	arn_heap heap;
	void *block;

	borrow(&heap, place);
	block = malloc_aligned(&heap, size, alignment);
	give_up(&heap);
	return block;
}

/*
 * The first malloc of a thread, and every malloc of a thread without a record.  It is a function of
 * its own so that arn_mem_malloc and arn_obj_malloc need no stack frame.
 */
static cold void *malloc_first(unsigned place, size_t size)
{
	arn_heap *heap = own(place);

	return heap ? heap_malloc(heap, size) : realloc_borrowed(place, NULL, size);
}

static inline void *calloc_in(unsigned place, size_t count, size_t size)
{
	arn_heap *heap = own(place);

	return likely(heap != NULL) ? arn_heap_calloc(heap, count, size)
	                            : calloc_borrowed(place, count, size);
}

static inline void *realloc_in(unsigned place, void *block, size_t size)
{
	arn_heap *heap = own(place);

	return likely(heap != NULL) ? arn_heap_realloc(heap, block, size)
	                            : realloc_borrowed(place, block, size);
}

/* ---- the libc names, of libarenite-malloc ---------------------------------------------------- */

/* The bin of thread_names was empty, or the blocks of the thread's heap are counted. */
void *names_malloc(size_t size)
{
	arn_heap *heap = own(THREAD_NAMES);

	return likely(heap != NULL) ? heap_malloc_counted(sample_counting(), heap, size)
	                            : realloc_borrowed(THREAD_NAMES, NULL, size);
}
EXPORT_PRIVATE(names_malloc);

void *names_calloc(size_t count, size_t size)
{
	return calloc_in(THREAD_NAMES, count, size);
}
EXPORT_PRIVATE(names_calloc);

void *names_realloc(void *block, size_t size)
{
	return realloc_in(THREAD_NAMES, block, size);
}
EXPORT_PRIVATE(names_realloc);

void *names_aligned(size_t size, size_t alignment)
{
	arn_heap *heap = own(THREAD_NAMES);

	return likely(heap != NULL) ? malloc_aligned(heap, size, alignment)
	                            : aligned_borrowed(THREAD_NAMES, size, alignment);
}
EXPORT_PRIVATE(names_aligned);

/* ---- mem and object -------------------------------------------------------------------------- */

void *arn_mem_malloc(size_t size)
{
	struct thread *thread = thread_peek();

	if (unlikely(!thread))
		return malloc_first(ARN_TAG_MEM, size);
	return heap_malloc(&thread->heap[ARN_TAG_MEM], size);
}

void *arn_mem_calloc(size_t count, size_t size)
{
	return calloc_in(ARN_TAG_MEM, count, size);
}

void *arn_mem_realloc(void *block, size_t size)
{
	return realloc_in(ARN_TAG_MEM, block, size);
}

void arn_mem_free(void *block)
{
	heap_free(block);
}

void *arn_obj_malloc(size_t size)
{
	struct thread *thread = thread_peek();

	if (unlikely(!thread))
		return malloc_first(ARN_TAG_OBJECT, size);
	return heap_malloc(&thread->heap[ARN_TAG_OBJECT], size);
}

void *arn_obj_calloc(size_t count, size_t size)
{
	return calloc_in(ARN_TAG_OBJECT, count, size);
}

void *arn_obj_realloc(void *block, size_t size)
{
	return realloc_in(ARN_TAG_OBJECT, block, size);
}

void arn_obj_free(void *block)
{
	heap_free(block);
}

ARN_API const char arn_layout = 1;

const char *arn_version(void)
{
	return ARN_VERSION;
}

unsigned arn_version_number(void)
{
	return ARN_VERSION_NUMBER;
}
