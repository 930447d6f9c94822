/* SPDX-License-Identifier: MIT
 *
 * The three domains that Python calls, as C functions of the calling thread.
 */
#include "api/alloc.h"
#include "os/raw.h"
#include "heap/thread.h"

static void count_made(struct thread *thread, void *block)
{
	if (!block)
		return;
	thread_count(thread, &thread->x_raw_mallocs, 1);
	thread_count(thread, &thread->x_raw_bytes, raw_usable(block));
}

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

void *arn_raw_realloc(void *block, size_t size)
{
	size_t old = block ? raw_usable(block) : 0;
	void *moved = size > PTRDIFF_MAX ? NULL : raw_realloc(block, size);

	if (!moved)
		return NULL;
	if (block)
		count_freed(thread_self(), old);
	count_made(thread_self(), moved);
	return moved;
}

void arn_raw_free(void *block)
{
	if (!block)
		return;
	count_freed(thread_self(), raw_usable(block));
	raw_free(block);
}

void arn_any_free(void *block)
{
	if (likely(free_fast(block)))
		return;
	if (pool_find(block))
		free_slow(block, caller_address());
	else
		arn_raw_free(block);
}

/* The calling thread's heap of this tag; NULL: it has no record, and borrows one for each
 * request. */
static inline arn_heap *own(enum arn_tag tag)
{
	struct thread *thread = thread_self();

	return likely(thread != &thread_none) ? &thread->heap[tag] : NULL;
}

static cold void *calloc_borrowed(enum arn_tag tag, size_t count, size_t size)
{
	arn_heap heap;
	void *block;

	arn_heap_init(&heap, NULL, tag);
	block = arn_heap_calloc(&heap, count, size);
	arn_heap_abandon(&heap);
	return block;
}

/* Of NULL it is a malloc. */
static cold void *realloc_borrowed(enum arn_tag tag, void *block, size_t size)
{
	arn_heap heap;

	arn_heap_init(&heap, NULL, tag);
	block = arn_heap_realloc(&heap, block, size);
	arn_heap_abandon(&heap);
	return block;
}

/* A thread's first call, and all calls of one without a record: out of the way, so that the others
 * need no frame. */
static cold void *malloc_first(enum arn_tag tag, size_t size)
{
	arn_heap *heap = own(tag);

	return heap ? heap_malloc(heap, size) : realloc_borrowed(tag, NULL, size);
}

static inline void *calloc_in(enum arn_tag tag, size_t count, size_t size)
{
	arn_heap *heap = own(tag);

	return likely(heap != NULL) ? arn_heap_calloc(heap, count, size)
	                            : calloc_borrowed(tag, count, size);
}

static inline void *realloc_in(enum arn_tag tag, void *block, size_t size)
{
	arn_heap *heap = own(tag);

	return likely(heap != NULL) ? arn_heap_realloc(heap, block, size)
	                            : realloc_borrowed(tag, block, size);
}

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
