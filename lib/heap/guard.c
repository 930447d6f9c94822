/* SPDX-License-Identifier: MIT */
#include "heap/guard.h"

#include "base/option.h"
#include "base/panic.h"
#include "heap/heap.h"
#include "heap/thread.h"

#include <string.h>

/* Bytes at the start of a block that are not overwritten, because a late reader may look at them:
 * the longest header of an object, with debug words, pre-header, and ob_tid to ob_ref_shared. */
#define HEADER    56
#define DEAD_BYTE 0xDD

void guard_live(const struct pool *pool, const void *block, const void *caller)
{
	if (!pool)
		panic_block("pointer is not from Arenite", block, caller);
	if (!pool_is_block(pool, block))
		panic_block("pointer is not the start of a block", block, caller);
	if (option(OPTION_CHECKS) > 0 && pool_is_free(pool, block))
		panic_block("block freed twice", block, caller);
}

void guard_freed(const struct pool *pool, void *block)
{
	size_t keep = pool->tag == ARN_TAG_MEM ? 0 : HEADER;

	if (option(OPTION_CHECKS) >= 2 && keep < pool->block_size)
		memset((char *)block + keep, DEAD_BYTE, pool->block_size - keep);
}

/* A heap whose owner is an ended thread may be taken over, so the number alone does not decide: it
 * is looked up among the records of the threads that live.  A thread without a record is not found,
 * so its heaps are not checked. */
void guard_owner(const arn_heap *handle)
{
	uintptr_t owner = load_relaxed(&handle->heap->x_owner);

	if (option(OPTION_CHECKS) == 0 || owner < OWNER_FIRST)
		return;
	for (const struct thread *thread = thread_first(); thread; thread = thread->next)
		if (load_relaxed(&thread->x_number) == owner)
			panic_block("heap belongs to another thread, which has not passed it on",
			            handle, NULL);
}

void guard_heap(const struct heap *heap)
{
	static __thread unsigned calls;

	if (option(OPTION_CHECKS) >= 3 && ++calls % 256 == 0)
		invariant(heap_is_valid(heap));
}
