/* SPDX-License-Identifier: MIT
 *
 * The heap walk: pools in the order in which they were made, blocks by scanning the bitmaps.  Free blocks are
 * never touched.
 *
 * What lies in the pool cache and in remote words is sent home first, so the bitmaps are exact.  All of it
 * happens while the users of the family are stopped (arenite.h), so plain fields may be read.
 */
#include "cache.h"
#include "remote.h"

struct walk {
	const arn_heap *handle;
	bool blocks;
	arn_visit_fn *visitor;
	void *arg;
	struct arn_area area;
};

/* Live blocks of one word, found one word ahead of the visits, so that their headers are on the way. */
struct batch {
	unsigned count;
	void *block[64];
};

static uint64_t live_bits(const struct pool *pool, unsigned word)
{
	unsigned rest = pool->capacity - word * 64;

	return ~pool->bits->free[word] & bit_run(0, rest < 64 ? rest : 64);
}

/* Prefetch pays where the hardware cannot guess: where blocks are missing in between. */
static void collect_word(const struct pool *pool, unsigned word, struct batch *batch)
{
	uint64_t live = live_bits(pool, word);
	char *base = pool->base + (size_t)word * 64 * pool->block_size;

	batch->count = 0;
	for (; live; live &= live - 1) {
		char *block = base + lowest_bit(live) * pool->block_size;

		__builtin_prefetch(block + 32);
		batch->block[batch->count++] = block;
	}
}

static bool visit_batch(struct walk *walk, const struct batch *batch)
{
	for (unsigned i = 0; i < batch->count; i++)
		if (!walk->visitor(walk->handle, &walk->area, batch->block[i], walk->area.block_size, walk->arg))
			return false;
	return true;
}

static bool visit_blocks(struct walk *walk, const struct pool *pool)
{
	struct batch batch[2];
	unsigned words = pool_words(pool);

	collect_word(pool, 0, &batch[0]);
	for (unsigned word = 0; word < words; word++) {
		if (word + 1 < words)
			collect_word(pool, word + 1, &batch[(word + 1) % 2]);
		if (!visit_batch(walk, &batch[word % 2]))
			return false;
	}
	return true;
}

static bool visit_pool(struct walk *walk, const struct pool *pool)
{
	walk->area = (struct arn_area){
		.blocks = pool->base,
		.reserved = pool_span(pool),
		.committed = pool_span(pool),
		.used = pool->capacity - pool_free_count(pool),
		.block_size = pool->block_size,
		.full_block_size = pool->block_size,
	};
	if (!walk->visitor(walk->handle, &walk->area, NULL, walk->area.block_size, walk->arg))
		return false;
	return !walk->blocks || walk->area.used == 0 || visit_blocks(walk, pool);
}

static bool visit_heap(struct walk *walk, struct heap *heap)
{
	cache_flush(heap);
	remote_drain(heap);
	for (const struct pool *pool = heap->all.first; pool; pool = pool->all_next)
		if (!visit_pool(walk, pool))
			return false;
	return true;
}

/*
 * Remote frees that threads have gathered; collectors' tags are never gathered.  A family with a provider is an
 * embedder's, whose other families may be running: their threads' records are not ours to read.
 */
static void gather_in(const arn_family *family, unsigned tag)
{
	if (tag >= ARN_TAG_GC)
		return;
	if (family->provider)
		remote_flush();
	else
		remote_flush_all();
}

bool arn_heap_visit(const arn_heap *handle, bool blocks, arn_visit_fn *visitor, void *arg)
{
	struct walk walk = { handle, blocks, visitor, arg, { 0 } };

	if (!handle->heap || handle->heap == &heap_none)
		return true;
	gather_in(handle->heap->family, handle->heap->tag);
	return visit_heap(&walk, handle->heap);
}

bool arn_family_visit_orphans(arn_family *family, enum arn_tag tag, bool blocks, arn_visit_fn *visitor, void *arg)
{
	arn_heap stand_in = { &heap_none, family, tag };
	struct walk walk = { &stand_in, blocks, visitor, arg, { 0 } };

	if (!family)
		family = family_default();
	gather_in(family, tag);
	for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) /* F1 */
		if (heap->tag == tag && load_relaxed(&heap->x_owner) == 0 && !visit_heap(&walk, heap))
			return false;
	return true;
}
