/* SPDX-License-Identifier: MIT
 *
 * ask.c - the functions of arenite.h that say something about an address.
 */
#include "heap/guard.h"
#include "heap/types.h"
#include "base/option.h"

#include <arenite/arenite.h>

/* At level 3 of option CHECKS a block has as many bytes as were asked for, and not one more.  A
 * walk asks for blocks that were freed, too, and are still gathered: their size is overwritten. */
static cold size_t checked_size(const void *block)
{
	const struct pool *pool = pool_find(block);
	size_t size;

	if (!pool || !pool_is_block(pool, block))
		return 0;
	size = guard_size(pool, block);
	return size <= pool->block_size - GUARD_ZONE ? size : pool->block_size;
}

size_t arn_usable_size(const void *block)
{
	struct pool_view view;

	if (!pool_look(block, &view))
		return 0;
	return unlikely(option(OPTION_CHECKS) >= 3) ? checked_size(block) : view.block_size;
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
