/* SPDX-License-Identifier: MIT
 *
 * address.c - questions about an address, which need not be one of a block: its size, its tag, and
 * the owner of its heap.  Any thread may ask.
 * Progress    wait-free.
 */
#include "arena/pool.h"
#include "heap/types.h"

size_t arn_usable_size(const void *block)
{
	struct pool_view view;

	return pool_look(block, &view) ? view.block_size : 0;
}

/*
 * The result stays readable for ever, because heaps are never unmapped.  A foreign block gets the
 * address of a word that is 0.
 */
const uintptr_t *arn_owner(const void *block)
{
	static const uintptr_t nobody;
	struct pool_view view;

	return pool_look(block, &view) ? (const uintptr_t *)&view.heap->x_thread : &nobody;
}

enum arn_tag arn_tag_of(const void *block)
{
	struct pool_view view;

	return pool_look(block, &view) ? (enum arn_tag)view.tag : ARN_TAGS;
}
