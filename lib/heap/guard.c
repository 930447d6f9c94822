/* SPDX-License-Identifier: MIT */
#include "heap/guard.h"

#include "base/panic.h"
#include "heap/heap.h"
#include "heap/thread.h"
#include "os/os.h"

#include <string.h>

/* Bytes at the start of a block that are not overwritten, because a late reader may look at them:
 * the longest header of an object, with debug words, pre-header, and ob_tid to ob_ref_shared. */
#define HEADER 56

/* What lies behind a block at level 3, up to its size, which is in its last 8 bytes. */
#define ZONE_BYTE 0xFB

/* ---- behind the end: level 3 ----------------------------------------------------------------- */

static void *end_word(const struct pool *pool, const void *block)
{
	return (char *)(uintptr_t)block + pool->block_size - sizeof(size_t);
}

void guard_mark_end(const struct pool *pool, void *block, size_t size)
{
	size_t room = pool->block_size - sizeof(size);

	memset((char *)block + size, ZONE_BYTE, room - size);
	memcpy(end_word(pool, block), &size, sizeof(size));
}

size_t guard_size(const struct pool *pool, const void *block)
{
	size_t size;

	memcpy(&size, end_word(pool, block), sizeof(size));
	return size;
}

/* Is every byte from one address to another this one? */
static bool is_filled(const unsigned char *from, const unsigned char *to, unsigned char byte)
{
	while (from < to && *from == byte)
		from++;
	return from == to;
}

static bool is_zone_whole(const struct pool *pool, const void *block)
{
	const unsigned char *bytes = block;
	size_t size = guard_size(pool, block);

	return size <= pool->block_size - GUARD_ZONE &&
	       is_filled(bytes + size, end_word(pool, block), ZONE_BYTE);
}

/* ---- after it was freed: level 2 ------------------------------------------------------------- */

static size_t header_of(const struct pool *pool)
{
	return pool->tag == ARN_TAG_MEM ? 0 : HEADER;
}

/*
 * The part of a free block that lies on one page has been overwritten, or the page has gone back to
 * the system and reads as zeros.
 */
static bool is_dead(const unsigned char *from, const unsigned char *to)
{
	return is_filled(from, to, POOL_DEAD_BYTE) || is_filled(from, to, 0);
}

static void check_dead(const struct pool *pool, const void *block, const void *caller)
{
	size_t page = os_page_size();
	const unsigned char *bytes = block, *end = bytes + pool->block_size;

	if (pool->cls == CLASS_LARGE)
		return;
	for (const unsigned char *from = bytes + header_of(pool); from < end;) {
		const unsigned char *next = from + page - (uintptr_t)from % page;
		const unsigned char *to = next < end ? next : end;

		if (!is_dead(from, to))
			panic_block("block was written to after it was freed", block, caller);
		from = to;
	}
}

void guard_check_made(void *block, size_t size, const void *caller)
{
	struct pool *pool = block ? pool_find(block) : NULL;

	if (!pool)
		return;
	check_dead(pool, block, caller);
	if (option(OPTION_CHECKS) >= 3)
		guard_mark_end(pool, block, size);
}

/* ---- frees ----------------------------------------------------------------------------------- */

/* Has the calling thread freed this block, and not sent it to its pool yet? */
static bool is_gathered(const struct pool *pool, const void *block)
{
	const struct thread *thread = thread_peek();
	uint32_t index = pool_index(pool, block);

	return thread && thread->pool == pool && thread->word == index / 64 &&
	       (thread->gathered >> index % 64 & 1) != 0;
}

void guard_live(const struct pool *pool, const void *block, const void *caller)
{
	if (!pool)
		panic_block("pointer is not from Arenite", block, caller);
	if (!pool_is_block(pool, block))
		panic_block("pointer is not the start of a block", block, caller);
	if (option(OPTION_CHECKS) > 0 && (pool_is_free(pool, block) || is_gathered(pool, block)))
		panic_block("block freed twice", block, caller);
	if (option(OPTION_CHECKS) >= 3 && !is_zone_whole(pool, block))
		panic_block("block was written to behind its end", block, caller);
}

void guard_freed(const struct pool *pool, void *block)
{
	size_t keep = header_of(pool);

	if (option(OPTION_CHECKS) >= 2 && keep < pool->block_size)
		memset((char *)block + keep, POOL_DEAD_BYTE, pool->block_size - keep);
}

/* A heap whose owner is an ended thread may be taken over, so the number alone does not decide: it
 * is looked up among the records of the threads that live.  A thread without a record is not found,
 * so its heaps are not checked. */
void guard_owner(const arn_heap *handle)
{
	uintptr_t owner = load_relaxed(&handle_heap(handle)->x_owner);

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
