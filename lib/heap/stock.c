/* SPDX-License-Identifier: MIT */
#include "heap/stock.h"

#include "arena/budget.h"
#include "arena/retain.h"
#include "arena/supply.h"
#include "heap/grant.h"
#include "heap/sweep.h"
#include "heap/wait.h"

/* A word of the stock is the descriptor of a run's first slice, and in the low bits, which an
 * address leaves free, how many slices there are less one, and whether they were large blocks:
 * such a run stays for large blocks.  0: there is no run. */
#define SLICES_MAX ((uintptr_t)32)
#define WAS_LARGE  SLICES_MAX
#define LARGE_MAX  ((uintptr_t)20) /* 1 MiB, and a quarter for the block to grow */
#define ALL_RUNS   ((1u << STOCK_RUNS) - 1)
static_assert(2 * SLICES_MAX <= CACHE_LINE, "the number fits below the address");

static uintptr_t word_of(const struct pool *pool, size_t slices, bool large)
{
	return (uintptr_t)pool | (slices - 1) | (large ? WAS_LARGE : 0);
}

static struct pool *pool_of(uintptr_t word)
{
	return (struct pool *)(word & ~(uintptr_t)(CACHE_LINE - 1));
}

static size_t slices_in(uintptr_t word)
{
	return word ? (word & (SLICES_MAX - 1)) + 1 : 0;
}

static bool was_large(uintptr_t word)
{
	return word & WAS_LARGE;
}

size_t stock_bytes(const struct heap *heap)
{
	size_t slices = 0;

	for (unsigned i = 0; i < STOCK_RUNS; i++)
		slices += slices_in(load_relaxed(&heap->x_stock[i]));
	return slices * SLICE;
}

/* The bits of words that may have runs, for the user of the heap.  Those from which other threads
 * took the run are left out from now on. */
static unsigned filled(struct heap *heap)
{
	for (unsigned bits = heap->stock_filled; bits; bits &= bits - 1)
		if (load_relaxed(&heap->x_stock[lowest_bit(bits)]) == 0)
			heap->stock_filled &= (uint8_t) ~(bits & -bits);
	return heap->stock_filled;
}

/* All that the grant is for. */
static size_t kept_bytes(struct heap *heap)
{
	size_t slices = 0;

	for (unsigned bits = filled(heap); bits; bits &= bits - 1)
		slices += slices_in(load_relaxed(&heap->x_stock[lowest_bit(bits)]));
	return slices * SLICE + wait_bytes(heap);
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* The shortest run that is long enough: one of a large block serves large blocks only, unless it is
 * just as long as is wanted.  STOCK_RUNS: there is none. */
static unsigned find_run(const struct heap *heap, size_t slices, bool large)
{
	unsigned found = STOCK_RUNS;
	size_t shortest = SLICES_MAX + 1;

	for (unsigned bits = heap->stock_filled; bits; bits &= bits - 1) {
		unsigned i = lowest_bit(bits);
		uintptr_t word = load_relaxed(&heap->x_stock[i]);
		size_t n = slices_in(word);

		if (n >= slices && n < shortest && (n == slices || large || !was_large(word))) {
			found = i;
			shortest = n;
		}
	}
	return found;
}

/* If a pool of the heap has fallen empty before, a stock would have served it. */
void stock_miss(struct heap *heap)
{
	if (heap->stock_released > 0) {
		heap->stock_released--;
		grant_note_miss(heap);
	}
}

/* The exchange makes the run the caller's, or finds that another thread has just given it back. */
static uintptr_t take_word(_Atomic uintptr_t *x_word)
{
	uintptr_t word;

	if (!BUG(take_blindly))
		return exchange_acquire(x_word, 0); /* K1 */
	word = load_acquire(x_word);
	arn_yield_point("stock_take");
	store_relaxed(x_word, 0);
	return word;
}

/* No other thread puts runs there, so the word is still 0 after the run was taken. */
static void put_word(struct heap *heap, unsigned i, uintptr_t word)
{
	heap->stock_filled |= (uint8_t)(1u << i);
	store_release(&heap->x_stock[i], word); /* K1 */
}

/* The rest of a longer run stays; but a large block has a quarter more, if that is all there is. */
static bool take_run(struct heap *heap, size_t slices, bool large, struct run *run)
{
	size_t most = large ? slices + slices / 4 : slices, n;
	unsigned i = find_run(heap, slices, large);
	uintptr_t word = 0;

	if (i < STOCK_RUNS) {
		arn_yield_point("stock_take");
		word = take_word(&heap->x_stock[i]);
	}
	if (word == 0)
		return false;
	heap->stock_unused &= (uint8_t) ~(1u << i);
	heap->stock_filled &= (uint8_t) ~(1u << i);
	n = slices_in(word);
	if (n > most) {
		put_word(heap, i, word_of(pool_of(word) + slices, n - slices, was_large(word)));
		n = slices;
	}
	*run = (struct run){ arena_at(pool_of(word)),
		             (unsigned)(pool_of(word) - arena_at(pool_of(word))->pool), n, 0, 0 };
	return true;
}

/* ---- putting and giving back ----------------------------------------------------------------- */

static void release_run(uintptr_t word)
{
	struct pool *pool = pool_of(word);
	size_t slices = slices_in(word);

	if (word)
		supply_release(arena_at(pool), (unsigned)(pool - arena_at(pool)->pool), slices,
		               slices);
}

static void release_word(_Atomic uintptr_t *x_word)
{
	if (load_relaxed(x_word))
		release_run(take_word(x_word));
}

/* Where more is kept than may be, because less is in use or credit has ended, the heap gives back
 * all that it keeps. */
bool stock_admits(struct heap *heap, size_t bytes)
{
	bytes += kept_bytes(heap);
	heap->stock_released += heap->stock_released < UINT8_MAX;
	if (budget_is_tight())
		return false;
	if (load_relaxed(&heap->x_grant) != 0 && retain_is_exceeded(0)) {
		stock_give_back(heap);
		return false;
	}
	if (!grant_admits(heap, bytes))
		return false;
	grant_note_kept(heap, bytes);
	return true;
}

/* Can these two runs be one?  Those of large blocks only if they may have been cut from one run:
 * else the next block would cut what fits its neighbours. */
static bool is_beside(uintptr_t word, uintptr_t run)
{
	size_t n = slices_in(word), m = slices_in(run);
	size_t most = was_large(run) ? LARGE_MAX : SLICES_MAX;

	return word && n + m <= most && was_large(word) == was_large(run) &&
	       (pool_of(word) + n == pool_of(run) || pool_of(run) + m == pool_of(word));
}

static uintptr_t joined(uintptr_t word, uintptr_t run)
{
	return word_of(pool_of(min_size(word, run)), slices_in(word) + slices_in(run),
	               was_large(run));
}

/* A word with a run beside this one, or a free word, or else that of the longest run which was no
 * large block.  STOCK_RUNS: there is none. */
static unsigned find_place(struct heap *heap, uintptr_t run)
{
	unsigned place = STOCK_RUNS, all = filled(heap);
	size_t longest = 0;

	for (unsigned bits = all; bits; bits &= bits - 1) {
		unsigned i = lowest_bit(bits);
		uintptr_t word = load_relaxed(&heap->x_stock[i]);

		if (is_beside(word, run))
			return i;
		if (slices_in(word) > longest && !was_large(word)) {
			place = i;
			longest = slices_in(word);
		}
	}
	return all == ALL_RUNS ? place : lowest_bit(~all);
}

/* Neighbours become one run, so that pools which fall empty one after the other take one word, and
 * go to their arena together.  A run for which there is no word takes that of the longest one,
 * which goes. */
static void put_run(struct heap *heap, uintptr_t run)
{
	unsigned i = find_place(heap, run);
	uintptr_t word;

	if (i == STOCK_RUNS) {
		release_run(run);
		return;
	}
	word = load_relaxed(&heap->x_stock[i]) ? take_word(&heap->x_stock[i]) : 0;
	if (is_beside(word, run)) {
		run = joined(word, run);
		word = 0;
	}
	heap->stock_unused &= (uint8_t) ~(1u << i);
	put_word(heap, i, run);
	release_run(word);
}

/* The run of a large block becomes one with those on either side, from which it may have been
 * cut. */
static uintptr_t mended(struct heap *heap, uintptr_t run)
{
	for (unsigned bits = filled(heap); bits; bits &= bits - 1) {
		_Atomic uintptr_t *x_word = &heap->x_stock[lowest_bit(bits)];
		uintptr_t word = is_beside(load_relaxed(x_word), run) ? take_word(x_word) : 0;

		if (word)
			run = joined(word, run);
	}
	return run;
}

/* Releases the longest run, so that the slices of many pools go to their arena together, instead of
 * one by one.  false: it is too short for that. */
static bool make_way(struct heap *heap)
{
	_Atomic uintptr_t *x_longest = &heap->x_stock[0];
	uintptr_t word;

	for (unsigned i = 1; i < STOCK_RUNS; i++)
		if (slices_in(load_relaxed(&heap->x_stock[i])) > slices_in(load_relaxed(x_longest)))
			x_longest = &heap->x_stock[i];
	word = load_relaxed(x_longest);
	if (slices_in(word) < SLICES_MAX / 2 || was_large(word))
		return false;
	release_word(x_longest);
	return true;
}

/* What is left of a huge arena whose pages have moved (large.h) may be as short as a run: it goes,
 * and no other pool begins there. */
bool stock_put(struct heap *heap, struct pool *pool)
{
	size_t bytes = pool_span(pool);
	uintptr_t run;

	if (pool->slices > SLICES_MAX || arena_at(pool)->huge ||
	    (!stock_admits(heap, bytes) &&
	     !(make_way(heap) && grant_admits(heap, bytes + kept_bytes(heap)))))
		return false;
	pool_forget(pool);
	run = word_of(pool, pool->slices, pool->cls == CLASS_LARGE);
	put_run(heap, was_large(run) ? mended(heap, run) : run);
	return true;
}

/* ---- more at once ---------------------------------------------------------------------------- */

/* Long runs take few steps on lines that all threads share.  But shorter ones stay behind then,
 * between pools, and large blocks cannot use them.  So long runs are looked for as long as no more
 * than the base is free, and beyond that the first run will do, however short. */
static size_t least_to_fetch(size_t slices)
{
	size_t retained = tally_read(&arena_counters.x_retained);

	return retained <= retain_base() || BUG(fetch_long_runs) ? SLICES_MAX : slices;
}

/* Claims slices with pages for this pool and the next ones.  Those that another thread has purged
 * meanwhile may be anywhere in the run, so all of it is taken to have pages. */
static bool fetch_run(struct heap *heap, size_t slices, struct run *run)
{
	if (!grant_is_earned(heap) || budget_is_tight() ||
	    !grant_admits(heap, SLICES_MAX * SLICE + kept_bytes(heap)) ||
	    !supply_claim_kept(least_to_fetch(slices), SLICES_MAX, run))
		return false;
	if (run->slices > slices)
		put_run(heap, word_of(&run->arena->pool[run->first + slices], run->slices - slices,
		                      false));
	run->slices = slices;
	run->clean = 0;
	return true;
}

bool stock_take(struct heap *heap, size_t slices, bool large, struct run *run)
{
	if (take_run(heap, slices, large, run))
		return true;
	stock_miss(heap);
	return !large && fetch_run(heap, slices, run);
}

void stock_release(struct heap *heap, struct pool *pool)
{
	bool resident = sweep_uncount(pool);

	if (!resident || !stock_put(heap, pool))
		pool_release(pool, resident);
}

void stock_rest(struct heap *heap)
{
	uint8_t unused = heap->stock_unused;

	heap->stock_unused = 0;
	for (unsigned i = 0; i < STOCK_RUNS; i++) {
		if (unused >> i & 1)
			release_word(&heap->x_stock[i]);
		if (load_relaxed(&heap->x_stock[i]) != 0)
			heap->stock_unused |= (uint8_t)(1u << i);
	}
	heap->stock_released /= 2;
	if (grant_rest(heap, kept_bytes(heap)))
		stock_give_back(heap);
}

void stock_give_back(struct heap *heap)
{
	wait_hand_over(heap);
	for (unsigned i = 0; i < STOCK_RUNS; i++)
		release_word(&heap->x_stock[i]);
	grant_lower(heap, 0);
}
