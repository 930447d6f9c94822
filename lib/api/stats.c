/* SPDX-License-Identifier: MIT
 *
 * stats.c - the sums of the statistics, over heaps and threads.
 *
 * No counter is shared: each is written by one thread, in slow paths only, and is read relaxed.  So
 * the fast paths count nothing, and what lies in pool caches has to be taken off here:
 *     live == out - home - cached - (freed remotely by all threads - drained by all heaps)
 * for each tag, where "out" are the blocks that have left their pools since the process began, and
 * "home" those that have returned.  The numbers are exact while no other thread allocates or frees;
 * else each is what it was at some moment of the call.
 *
 * The peak of what is live is the most that any call has seen.  Slow paths call now and then, and
 * whenever more is resident than at the last call, by 1/64: see watch.c.
 */
#include "arena/budget.h"
#include "heap/cache.h"
#include "heap/cell.h"
#include "heap/family.h"
#include "arena/meta.h"
#include "base/option.h"
#include "os/os.h"
#include "heap/stock.h"
#include "heap/thread.h"

#include <string.h>
#include <unistd.h>

/* Blocks in a pool cache count as out of their pools, but nobody uses them. */
static void add_cached(struct arn_stats_tag *tag, const struct heap *heap, unsigned cls)
{
	size_t cached = cache_count(heap, cls), bytes = cached * sizeclasses[cls].size;

	tag->live_blocks -= cached;
	tag->live_bytes -= bytes;
	tag->cached_blocks += cached;
	tag->cached_bytes += bytes;
}

/*
 * Add one heap.  What it has drained is taken off the remote frees of all threads, which add_thread
 * adds: a sum may be below zero until both are done.
 */
static void add_pools(struct arn_stats_tag *tag, const struct heap *heap)
{
	for (unsigned cls = 0; cls < CLASSES; cls++)
		add_cached(tag, heap, cls);
	tag->live_blocks += heap_out_blocks(heap);
	tag->live_bytes += heap_out_bytes(heap);
	tag->remote_blocks -= load_relaxed(&heap->x_drained_blocks);
	tag->remote_bytes -= load_relaxed(&heap->x_drained_bytes);
	tag->pools += load_relaxed(&heap->x_pools);
	tag->pool_bytes += load_relaxed(&heap->x_pool_bytes);
}

/* Blocks of the libc names are among those of MEM, and are counted by themselves as well. */
static void add_heap(struct arn_stats *stats, const struct heap *heap)
{
	add_pools(&stats->tag[heap->tag], heap);
	if (heap->row == ROW_NAMES)
		add_pools(&stats->malloc, heap);
	stats->made_blocks += load_relaxed(&heap->x_out_blocks);
	stats->made_bytes += load_relaxed(&heap->x_out_bytes);
	stats->claimed_bytes -= stock_bytes(heap);
	stats->retained_bytes += stock_bytes(heap);
	stats->heaps++;
	stats->tag_heaps[heap->tag]++;
	stats->orphan_heaps += load_relaxed(&heap->x_owner) < OWNER_PASSED;
}

static void add_remote(struct arn_stats_tag *tag, const struct thread *thread, unsigned row)
{
	tag->remote_blocks += load_relaxed(&thread->x_remote_blocks[row]);
	tag->remote_bytes += load_relaxed(&thread->x_remote_bytes[row]);
}

static void add_thread(struct arn_stats *stats, const struct thread *thread)
{
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		add_remote(&stats->tag[tag], thread, tag);
	add_remote(&stats->tag[ARN_TAG_MEM], thread, ROW_NAMES);
	add_remote(&stats->malloc, thread, ROW_NAMES);
	stats->raw_mallocs += load_relaxed(&thread->x_raw_mallocs);
	stats->raw_frees += load_relaxed(&thread->x_raw_frees);
	stats->raw_live_bytes += load_relaxed(&thread->x_raw_bytes);
}

/* Blocks in cells are in no heap's numbers. */
static void add_cells(struct arn_stats *stats)
{
	for (unsigned row = 0; row < ROWS; row++) {
		struct arn_stats_tag *tag = &stats->tag[row == ROW_NAMES ? ARN_TAG_MEM : row];
		struct cell_count count;

		cell_count(row, &count);
		tag->live_blocks += count.live_blocks;
		tag->live_bytes += count.live_bytes;
		stats->made_blocks += count.made_blocks;
		stats->made_bytes += count.made_bytes;
		stats->guarded_blocks += count.made_blocks;
		if (row == ROW_NAMES) {
			stats->malloc.live_blocks += count.live_blocks;
			stats->malloc.live_bytes += count.live_bytes;
		}
	}
	stats->unguarded_blocks = cell_refusals();
}

static void add_totals(struct arn_stats *stats)
{
	struct arena_totals totals;

	arena_totals(&totals);
	stats->arenas = totals.arenas;
	stats->arena_bytes = totals.mapped;
	stats->claimed_bytes += totals.claimed;
	stats->retained_bytes += totals.retained;
	stats->purges = totals.purges;
	stats->purged_bytes = totals.purged;
	stats->metadata_bytes = meta_bytes();
	stats->peak_resident_bytes = max_size(load_relaxed(&arena_counters.x_peak),
	                                      arena_resident());
	stats->refusals = budget_refusals();
}

/*
 * If other threads free meanwhile, the part may have been read later than the whole and be larger.
 * The difference is 0 then, and not a number near SIZE_MAX.
 */
static size_t difference(size_t whole, size_t part)
{
	size_t rest = whole - part;

	return rest <= PTRDIFF_MAX ? rest : 0;
}

static _Atomic size_t x_peak_live; /* bytes */

/* What is live now may be more than ever before; then it is the peak. */
static void note_peak(struct arn_stats *stats, size_t live)
{
	size_t peak = load_relaxed(&x_peak_live);

	while (live > peak && !cas_acquire(&x_peak_live, &peak, live))
		;
	stats->peak_live_bytes = max_size(live, peak);
}

/* What was freed by other threads, and not taken home yet, is not live. */
static void leave_live(struct arn_stats_tag *tag)
{
	tag->live_blocks = difference(tag->live_blocks, tag->remote_blocks);
	tag->live_bytes = difference(tag->live_bytes, tag->remote_bytes);
}

/* The sums over tags.  A block is freed if it was made and is not live. */
static void add_tags(struct arn_stats *stats)
{
	size_t blocks = 0, bytes = 0;

	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		struct arn_stats_tag *t = &stats->tag[tag];

		leave_live(t);
		blocks += t->live_blocks;
		bytes += t->live_bytes;
	}
	leave_live(&stats->malloc);
	stats->freed_blocks = difference(stats->made_blocks, blocks);
	stats->freed_bytes = difference(stats->made_bytes, bytes);
	note_peak(stats, bytes);
}

static void add_up(struct arn_stats *stats)
{
	for (arn_family *family = family_first(); family;
	     family = load_acquire(&family->x_next)) /* F1 */
		for (struct heap *heap = load_acquire(&family->x_heaps); heap;
		     heap = heap->next) /* F1 */
			add_heap(stats, heap);
	for (struct thread *thread = thread_first(); thread; thread = thread->next)
		add_thread(stats, thread);
	add_thread(stats, &thread_none);
	add_cells(stats);
	add_tags(stats);
	add_totals(stats);
}

void arn_stats_read(struct arn_stats *stats, size_t size)
{
	struct arn_stats now = { 0 };

	add_up(&now);
	fill_struct(stats, size, &now, sizeof(now));
}
