/* SPDX-License-Identifier: MIT */
#include "heap/sweep.h"

#include "os/os.h"
#include "arena/purge.h"
#include "heap/granules.h"
#include "heap/queued.h"
#include "arena/retain.h"
#include "arena/supply.h"

/* A pool that is one granule is not swept: its pages go when the pool does. */
static bool has_granules(const struct pool *pool)
{
	return pool_span(pool) >> granules_shift(pool) > 1;
}

/* A large pool has one granule, which is all of it. */
static uint64_t all_granules(const struct pool *pool)
{
	return pool->cls == CLASS_LARGE
	               ? 1
	               : bit_run(0, (unsigned)(pool_span(pool) >> granules_shift(pool)));
}

static uint64_t clean_granules(const struct pool *pool)
{
	return load_relaxed(&pool->bits->x_clean);
}

/* Marks granules that will have pages, because blocks in them are handed out. */
static void mark_present(struct pool *pool, uint64_t granules)
{
	and_relaxed(&pool->bits->x_clean, ~granules);
	tally_sub(&arena_counters.x_clean_bytes, granules_bytes(pool, granules));
}

/* Appends the pool, so that the list has the oldest pools first. */
static void list_unswept(struct heap *heap, struct pool *pool)
{
	struct pool_bits *bits = pool->bits;

	bits->sweep_next = NULL;
	bits->sweep_prev = heap->sweep_last;
	*(heap->sweep_last ? &heap->sweep_last->bits->sweep_next : &heap->sweep_first) = pool;
	heap->sweep_last = pool;
	bits->in_sweep = true;
}

static void unlist_unswept(struct heap *heap, struct pool *pool)
{
	struct pool_bits *bits = pool->bits;

	*(bits->sweep_prev ? &bits->sweep_prev->bits->sweep_next
	                   : &heap->sweep_first) = bits->sweep_next;
	*(bits->sweep_next ? &bits->sweep_next->bits->sweep_prev
	                   : &heap->sweep_last) = bits->sweep_prev;
	bits->in_sweep = false;
}

/* A pool is listed once a granule's worth is unswept: less would rarely free a page. */
static void add_unswept(struct heap *heap, struct pool *pool, size_t bytes)
{
	pool->bits->unswept += (uint32_t)bytes;
	count_add(&heap->x_unswept, bytes);
	if (!pool->bits->in_sweep && pool->bits->unswept >= (size_t)1 << granules_shift(pool))
		list_unswept(heap, pool);
}

/* The most that may be unswept in a pool: all of its free blocks, and n that are being taken. */
static size_t most_unswept(const struct pool *pool, unsigned n)
{
	return (pool_free_count(pool) + n) * pool->block_size;
}

/* After a sweep, each granule with pages has a block that is out.  When such blocks return there is
 * more to find than their bytes: if there are more granules with pages than the blocks which are
 * still out can lie on, the others are certain to be free.  A block lies on two granules, or on
 * more if it is larger than a granule. */
static void note_certain(struct heap *heap, struct pool *pool, size_t out)
{
	size_t reach = out * (2 + (pool->block_size >> granules_shift(pool)));
	size_t granules = count_bits(all_granules(pool) & ~clean_granules(pool));
	size_t certain = granules > reach ? (granules - reach) << granules_shift(pool) : 0;

	certain = min_size(certain, most_unswept(pool, 0));
	if (certain > pool->bits->unswept)
		add_unswept(heap, pool, certain - pool->bits->unswept);
}

void sweep_given(struct heap *heap, struct pool *pool, unsigned n)
{
	size_t out = pool->capacity - pool_free_count(pool);

	if (!has_granules(pool))
		return;
	add_unswept(heap, pool, n * pool->block_size);
	if (out < GRANULES / 2 && clean_granules(pool))
		note_certain(heap, pool, out);
}

/* Notes that n blocks from one offset to the other are handed out: their clean granules will have
 * pages again, which retain.h is told of.  The free blocks beside them in those granules are
 * unswept from then on. */
static void touch_granules(struct heap *heap, struct pool *pool, unsigned n, size_t low,
                           size_t high)
{
	unsigned shift = granules_shift(pool), from = (unsigned)(low >> shift);
	uint64_t touched = bit_run(from,
	                           (unsigned)((high + pool->block_size - 1) >> shift) - from + 1);
	size_t bytes;

	touched &= clean_granules(pool);
	if (!touched)
		return;
	bytes = granules_bytes(pool, touched);
	(pool->settled ? retain_charge : retain_note_fault)(bytes);
	budget_take(bytes);
	mark_present(pool, touched);
	if (has_granules(pool))
		add_unswept(heap, pool,
		            min_size(bytes, most_unswept(pool, n) - pool->bits->unswept));
}

/* The most bytes of pages that one block may bring back: a granule more at either end. */
static size_t touched_by_one(const struct pool *pool)
{
	return min_size(pool->block_size + 2 * granules_bytes(pool, 1),
	                granules_bytes(pool, clean_granules(pool)));
}

/* Several blocks may lie anywhere in the pool, and what lies between them counts as touched (see
 * touch_granules).  If there is no room for all of that, one block may still be admitted. */
unsigned sweep_admitted_by_limit(const struct pool *pool, unsigned want)
{
	if (supply_admits(granules_bytes(pool, clean_granules(pool))))
		return want;
	return supply_admits(touched_by_one(pool)) ? 1 : 0;
}

/* Granules between the two blocks count as touched, too, though no block there may have been taken:
 * at worst a clean granule is purged once more. */
void sweep_taken(struct heap *heap, struct pool *pool, unsigned n, const void *low,
                 const void *high)
{
	struct pool_bits *bits = pool->bits;
	uint32_t bytes;

	if (clean_granules(pool) && !BUG(sweep_blindly))
		touch_granules(heap, pool, n, (size_t)((const char *)low - pool->base),
		               (size_t)((const char *)high - pool->base));
	bytes = (uint32_t)min_size(n * pool->block_size, bits->unswept);
	bits->unswept -= bytes;
	count_sub(&heap->x_unswept, bytes);
}

void sweep_forget(struct heap *heap, struct pool *pool)
{
	count_sub(&heap->x_unswept, pool->bits->unswept);
	pool->bits->unswept = 0;
	if (pool->bits->in_sweep)
		unlist_unswept(heap, pool);
}

void sweep_mark_clean(struct pool *pool)
{
	granules_mark_clean(pool, all_granules(pool));
}

void sweep_mark_resident(struct pool *pool)
{
	if (!clean_granules(pool))
		return;
	retain_note_fault(granules_bytes(pool, 1));
	budget_take(granules_bytes(pool, 1));
	mark_present(pool, all_granules(pool));
}

void sweep_note_tail(const struct pool *pool, size_t tail_before)
{
	size_t tail = pool_tail(pool);

	if (tail != tail_before)
		tally_add(&arena_counters.x_clean_bytes, tail - tail_before); /* may wrap */
}

size_t sweep_resident(const struct pool *pool)
{
	return pool_without_tail(pool) - granules_bytes(pool, clean_granules(pool));
}

/* The pages of an empty pool need not wait for readers: a late reader finds zeros where the header
 * was, and takes no reference to that.  The address range stays as it is until the goal is reached.
 * A pool whose pages the system has refused counts as resident, as before. */
void sweep_whole_all(struct pool **pools, unsigned n)
{
	struct iovec range[SWEEP_STEP];
	size_t resident = 0;

	for (unsigned i = 0; i < n; i++)
		range[i] = (struct iovec){ pools[i]->base,
			                   sweep_resident(pools[i]) ? pool_span(pools[i]) : 0 };
	os_purge_ranges(range, n);
	for (unsigned i = 0; i < n; i++) {
		if (range[i].iov_len == 0)
			continue;
		if (BUG(purge_to_garbage))
			__builtin_memset(pools[i]->base, 0xdd, pool_span(pools[i]));
		resident += sweep_resident(pools[i]);
		sweep_mark_clean(pools[i]);
	}
	if (resident)
		retain_note_gone(resident);
}

void sweep_whole(struct pool *pool)
{
	sweep_whole_all(&pool, 1);
}

bool sweep_uncount(struct pool *pool)
{
	uint64_t clean = clean_granules(pool);
	size_t tail = pool_tail(pool);

	if (clean)
		mark_present(pool, clean);
	if (tail)
		tally_sub(&arena_counters.x_clean_bytes, tail);
	return clean != all_granules(pool);
}

void sweep_release(struct pool *pool)
{
	bool resident = sweep_uncount(pool);

	pool_release(pool, resident);
}

/* The granules that lie in [from, to) with all of their bytes. */
static uint64_t granules_in(size_t from, size_t to, unsigned shift)
{
	size_t first = align_up(from, (size_t)1 << shift) >> shift;

	if (BUG(sweep_outward))
		first = from >> shift;
	to >>= shift;
	return first < to ? bit_run((unsigned)first, (unsigned)(to - first)) : 0;
}

/* The granules in which no block has its bit set in blocks[].  Blocks are looked at in runs: the
 * space from the end of one run to the start of the next is free. */
static uint64_t granules_without(const struct pool *pool, const uint64_t *blocks)
{
	size_t size = pool->block_size, from = 0;
	unsigned shift = granules_shift(pool);
	uint64_t granules = 0;

	for (unsigned word = 0; word < pool_words(pool); word++) {
		uint64_t taken = blocks[word];

		while (taken) {
			unsigned first = lowest_bit(taken);
			unsigned count = run_length(taken, first);
			size_t start = (word * 64 + first) * size;

			granules |= granules_in(from, start, shift);
			from = start + count * size;
			taken &= ~bit_run(first, count);
		}
	}
	return granules | granules_in(from, pool_span(pool), shift);
}

/* The granules in which every block is free in the pool's own bitmap.  Blocks that are live, in the
 * pool cache, or in a remote word keep a granule. */
static uint64_t free_granules(const struct pool *pool)
{
	uint64_t blocks[POOL_WORDS];

	for (unsigned word = 0; word < pool_words(pool); word++)
		blocks[word] = pool_taken(pool, word);
	return granules_without(pool, blocks);
}

/* Sweeps one pool: the granules that are free and have pages go back with the batch.  The pool is
 * out of the list afterwards, also if the system refuses: it is listed again when more of its
 * blocks return.  The heap is `sweeping` from then on, which makes its bins keep less (cache.c).
 * Returns what went back already. */
static size_t sweep_pool(struct heap *heap, struct granules_batch *batch, struct pool *pool)
{
	sweep_forget(heap, pool);
	heap->sweeping = true;
	pool->settled = false;
	return granules_add(batch, pool, free_granules(pool) & ~clean_granules(pool));
}

void sweep_freed(struct pool *pool, const uint64_t *others)
{
	struct granules_batch batch;

	if (pool->cls == CLASS_LARGE) {
		sweep_whole(pool);
		return;
	}
	batch.n = 0;
	granules_add(&batch, pool, granules_without(pool, others) & ~clean_granules(pool));
	granules_purge(&batch);
}

/* The sum of all heaps, with what this heap has now. */
static size_t publish_now(struct heap *heap)
{
	size_t unswept = load_relaxed(&heap->x_unswept), published = heap->unswept_published;

	heap->unswept_published = unswept;
	return unswept == published ? load_relaxed(&arena_counters.x_unswept)
	                            : add_relaxed(&arena_counters.x_unswept, unswept - published) +
	                                      unswept - published;
}

#define PUBLISH_EVERY 32u  /* slow paths */
#define YOUNG         256u /* slow paths */

/* All threads write to the sum, so a heap that is much used adds what has changed only once in
 * PUBLISH_EVERY slow paths, or at once if that is a quarter of what may be unswept in all.  Until
 * then the sum has what the heap had some slow paths ago.  A heap that was used little so far may
 * soon be left alone, and adds it each time. */
static bool is_due(const struct heap *heap, size_t change)
{
	unsigned paths = load_relaxed(&heap->x_slow_paths);

	if (paths < YOUNG || paths % PUBLISH_EVERY == 0)
		return change > retain_limit() / 32 / heap_count();
	return change > retain_for_pages_least() / 4 &&
	       change > retain_limit() / RETAIN_PAGES_PART / 4;
}

/* Returns the sum of all heaps. */
static size_t publish_unswept(struct heap *heap)
{
	size_t unswept = load_relaxed(&heap->x_unswept), published = heap->unswept_published;

	if (unswept != published &&
	    is_due(heap, unswept > published ? unswept - published : published - unswept))
		return publish_now(heap);
	return load_relaxed(&arena_counters.x_unswept);
}

#define WATCH_EVERY 8u /* slow paths */

/* Credit also expires by time, without a drop: each heap looks now and then.  When less may be kept
 * than before, free slices go back, and this heap is to trim at its next slow path, because its
 * cache keeps pages resident, too. */
static void watch_credit(struct heap *heap)
{
	if (!retain_decay())
		return;
	purge_excess(0);
	store_relaxed(&heap->x_trim, true);
}

/* The part of each heap in the free pages of pools that may stay, in bytes. */
static size_t part_of_heap(void)
{
	return retain_for_pages() / heap_count();
}

/* Is no more unswept than may stay in all, or does the heap have no more than its part of it? */
static bool is_within_part(const struct heap *heap, size_t unswept, size_t most)
{
	return unswept <= most || load_relaxed(&heap->x_unswept) <= most / heap_count();
}

/* Is the heap within what might stay at its last look?  What may stay is made of sums that all
 * threads write to, so it is made anew only by one slow path in WATCH_EVERY, and where the last one
 * is exceeded.  Where nothing is to stay, because memory is short, it is made anew each time. */
static bool was_within_part(const struct heap *heap, size_t unswept)
{
	return retain_for_pages_least() > 0 && is_within_part(heap, unswept, heap->unswept_most);
}

/* A heap sweeps if too much is unswept over all heaps and it has more than its part of it: its
 * oldest pools first, until it is within its part or SWEEP_STEP pools were swept.  If that does not
 * suffice, its next slow path goes on.  retain.h is told of a drop, since memory falls free beyond
 * what may be kept. */
void sweep_enforce(struct heap *heap)
{
	bool looks = load_relaxed(&heap->x_slow_paths) % WATCH_EVERY == 0;
	size_t unswept = publish_unswept(heap), most;
	struct granules_batch batch;

	if (looks && retain_has_credit())
		watch_credit(heap);
	if (likely(unswept <= retain_for_pages_least()) ||
	    (!looks && was_within_part(heap, unswept)))
		return;
	most = heap->unswept_most = retain_for_pages();
	if (is_within_part(heap, unswept, most))
		return;
	batch.n = 0;
	for (unsigned n = 0;
	     heap->sweep_first && load_relaxed(&heap->x_unswept) > part_of_heap() && n < SWEEP_STEP;
	     n++)
		sweep_pool(heap, &batch, heap->sweep_first);
	granules_purge(&batch);
	publish_now(heap);
}

size_t sweep_all(struct heap *heap)
{
	struct granules_batch batch;
	size_t done = 0;

	batch.n = 0;
	for (struct pool *pool = heap->all_first; pool; pool = pool->all_next)
		if (has_granules(pool) && clean_granules(pool) != all_granules(pool))
			done += sweep_pool(heap, &batch, pool);
	done += granules_purge(&batch);
	publish_now(heap);
	return done;
}

/* Is a granule clean that has a block which is not free?  Pools that other threads may sweep cannot
 * be judged: there, blocks in remote words count as free, and while such a thread is at work their
 * bits are in no word. */
static bool has_wrong_granule(const struct pool *pool)
{
	if (pool->tag < ARN_TAG_GC || load_seq(&queue_entry(pool)->x_queued) != UNQUEUED) /* R1 */
		return false;
	return (clean_granules(pool) & ~free_granules(pool)) != 0;
}

bool sweep_is_valid(const struct heap *heap)
{
	size_t unswept = 0;

	for (const struct pool *pool = heap->all_first; pool; pool = pool->all_next) {
		if (pool->cls == CLASS_LARGE)
			continue;
		unswept += pool->bits->unswept;
		if (has_wrong_granule(pool))
			return false;
	}
	return unswept == load_relaxed(&heap->x_unswept);
}
