/* SPDX-License-Identifier: MIT
 *
 * alloc-metered.c - counts what is handed out, makes samples, and tells profile.h of them.
 */
#include "api/alloc-metered.h"

#include "api/alloc.h"
#include "api/guarded.h"
#include "base/usdt.h"
#include "heap/cache.h"
#include "heap/family.h"
#include "heap/sample.h"
#include "profile/profile.h"

#include <errno.h>

static void *refill(struct heap *heap, size_t size, size_t alignment)
{
	void *block;

	heap_enter(heap);
	block = cache_refill(heap, sizeclass_of(size), alignment);
	alloc_end(heap);
	return block;
}

/*
 * A block of a size class that is a sample: it is made in a heap that has nothing but samples, and
 * that is given back at once.  NULL: there is no memory.  That is not counted as a refusal, because
 * the block can still be made as any other.
 */
static void *malloc_in_sampled(const struct heap *heap, size_t size, size_t alignment)
{
	struct heap *sampled = family_adopt_sampled(heap->family, heap->tag);
	void *block;

	if (!sampled)
		return NULL;
	alloc_note_owner();
	block = alloc_pop(heap_bin(sampled, sizeclass_of(size)));
	if (!block)
		block = refill(sampled, size, alignment);
	family_abandon(sampled);
	return block;
}

/* A large block as any other, whose pool bears the mark. */
static void *malloc_large_sample(struct heap *heap, size_t size, size_t alignment)
{
	void *block = alloc_from(heap, size, alignment);

	if (block)
		sample_mark_large(pool_find(block), size + 1);
	return block;
}

/* Reports a sample to the profile, and to whoever listens to the probe.  It stands for its size,
 * divided by the chance with which a block of this size is a sample. */
static void tell(const void *block, size_t size, size_t counted, unsigned tag)
{
	double blocks = 1 / sample_chance(counted);

	usdt_alloc(block, size, (size_t)((double)size * blocks + 0.5));
	profile_made(block, size, counted, blocks, tag);
}

/* A block that the profile is to know of.  NULL: there is no memory for one. */
static void *malloc_marked(struct heap *heap, size_t size, size_t alignment)
{
	return alloc_has_class(size, alignment) ? malloc_in_sampled(heap, size, alignment)
	                                        : malloc_large_sample(heap, size, alignment);
}

/* May a sample that could not be made be made as any other block?  A large one was asked for as any
 * other, and was refused. */
static bool may_be_plain(size_t size, size_t alignment)
{
	return option(OPTION_PROFILE) == 0 || alloc_has_class(size, alignment);
}

/*
 * This block is a sample, which counts so many bytes.  Without memory for the heap of samples it is
 * made as any other, and is not known to the profile; and so is one that should be guarded, and
 * cannot be, while no profile is taken.
 */
static cold void *malloc_sample(arn_heap *handle, size_t size, size_t alignment, size_t counted)
{
	struct sample_meter *meter = sample_meter(handle->heap);
	struct heap *heap = handle_heap(handle);
	void *block = NULL;

	if (unlikely(load_relaxed(&heap->x_owner) != owner_self()) &&
	    !(heap = alloc_take_over(handle)))
		return alloc_no_memory(); /* H2 */
	if (unlikely(sample_is_guarded(meter)))
		block = guarded_malloc(heap, size, alignment);
	if (!block && option(OPTION_PROFILE) > 0)
		block = malloc_marked(heap, size, alignment);
	if (!block)
		return may_be_plain(size, alignment) ? alloc_from_handle(handle, size, alignment)
		                                     : NULL;
	if (option(OPTION_PROFILE) > 0)
		tell(block, size, counted, heap->tag);
	return block;
}

/* malloc where the handle leads to a meter.  A large block's pool has what was counted of it. */
void *metered_malloc(arn_heap *handle, size_t size, size_t alignment)
{
	struct pool *pool;
	void *block;

	if (size > PTRDIFF_MAX)
		return alloc_no_memory();
	if (unlikely(sample_is_due(sample_meter(handle->heap), size + 1)))
		return malloc_sample(handle, size, alignment, size + 1);
	block = alloc_from_handle(handle, size, alignment);
	pool = alloc_has_class(size, alignment) ? NULL : pool_find(block);
	if (pool)
		sample_count_large(pool, size + 1);
	return block;
}

/* The block is a sample, and is freed as any other after this.  Whoever has a large one next must
 * not find the mark. */
void metered_free(struct pool *pool, void *block)
{
	usdt_free(block);
	if (!BUG(sample_stays))
		profile_freed(block);
	if (pool->cls == CLASS_LARGE)
		pool->sampled = false;
}

/*
 * A large block was resized where it is.  What it has grown by is counted as if it were a block of
 * its own: if a point lies there, the block is a sample from now on.
 */
void metered_resize(struct heap *heap, struct pool *pool, void *block, size_t old_size, size_t size)
{
	size_t growth = size - min_size(size, old_size);
	bool is_due;

	if (option(OPTION_PROFILE) == 0)
		return;
	is_due = growth > 0 && sample_is_due(sample_meter(heap->face), growth);
	sample_count_large(pool, sample_counted(pool) + growth);
	if (is_due && !pool->sampled) {
		sample_mark_large(pool, sample_counted(pool));
		tell(block, size, sample_counted(pool), heap->tag);
	} else if (pool->sampled)
		profile_resized(block, size, sample_counted(pool));
}

void metered_resize_small(const void *block, size_t size)
{
	profile_resized(block, size, 0);
}
