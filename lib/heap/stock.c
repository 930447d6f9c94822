/* SPDX-License-Identifier: MIT */
#include "heap/stock.h"

#include "arena/retain.h"
#include "arena/supply.h"
#include "base/option.h"

/* A word of the stock is the descriptor of a run's first slice, and in the low bits, which an
 * address leaves free, how many slices there are.  0: there is no run. */
#define SLICES_MAX ((uintptr_t)32)
static_assert(2 * SLICES_MAX <= CACHE_LINE, "the number fits below the address");

static struct pool *pool_of(uintptr_t word)
{
	return (struct pool *)(word & ~(uintptr_t)(CACHE_LINE - 1));
}

static size_t slices_in(uintptr_t word)
{
	return word & (CACHE_LINE - 1);
}

size_t stock_bytes(const struct heap *heap)
{
	size_t slices = 0;

	for (unsigned i = 0; i < STOCK_RUNS; i++)
		slices += slices_in(load_relaxed(&heap->x_stock[i]));
	return slices * SLICE;
}

/* ---- the grant ------------------------------------------------------------------------------- */

/* The most that one heap keeps: four buffers of 1 MiB. */
#define GRANT_MAX (4 * MIB)
/* A heap has earned a grant when it has so often claimed what it had released. */
#define EARNED 4u

/* All grants together are at most half of what may be kept, so that releases to the arenas do not
 * have to purge each time.  And with so much more, is it no more than may be kept in all? */
static bool is_within(size_t more)
{
	size_t granted = load_relaxed(&arena_counters.x_granted);

	return granted + more <= retain_for_slices() / 2 && !retain_is_exceeded(more);
}

/* The bytes are counted first, and looked at again after that, so that threads which do so at the
 * same time do not keep too much together.  false: there is no room for them. */
static bool raise_grant(struct heap *heap, size_t bytes)
{
	if (!is_within(bytes))
		return false;
	add_relaxed(&arena_counters.x_granted, bytes);
	if (!is_within(0)) {
		sub_relaxed(&arena_counters.x_granted, bytes);
		return false;
	}
	add_relaxed(&heap->x_grant, bytes);
	return true;
}

/* Lowers the grant to `keep` bytes.  The exchange decides who gives back what, if another thread
 * does the same. */
static void lower_grant(struct heap *heap, size_t keep)
{
	size_t grant = load_relaxed(&heap->x_grant);

	if (grant <= keep)
		return;
	grant = exchange_acquire(&heap->x_grant, 0);
	keep = min_size(grant, keep);
	if (keep)
		add_relaxed(&heap->x_grant, keep);
	if (grant > keep)
		sub_relaxed(&arena_counters.x_granted, grant - keep);
}

/* Is there room in the grant for so much in all, perhaps after it was raised? */
static bool is_granted(struct heap *heap, size_t bytes)
{
	size_t grant = load_relaxed(&heap->x_grant);

	if (bytes <= grant)
		return true;
	if (bytes > GRANT_MAX || heap->stock_missed < EARNED)
		return false;
	return raise_grant(heap, bytes - grant);
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* The smallest run that fits.  STOCK_RUNS: there is none. */
static unsigned find_run(const struct heap *heap, size_t slices, size_t most)
{
	unsigned found = STOCK_RUNS;

	for (unsigned i = 0; i < STOCK_RUNS; i++) {
		size_t n = slices_in(load_relaxed(&heap->x_stock[i]));

		if (n >= slices && n <= most) {
			found = i;
			most = n - 1;
		}
	}
	return found;
}

/* The heap has to claim slices in the arenas.  If a pool of it has fallen empty before, a stock
 * would have served it. */
static bool miss(struct heap *heap)
{
	if (heap->stock_released > 0) {
		heap->stock_released--;
		heap->stock_missed += heap->stock_missed < UINT8_MAX;
	}
	return false;
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

bool stock_take(struct heap *heap, size_t slices, bool loose, struct run *run)
{
	unsigned i = find_run(heap, slices, loose ? slices + slices / 4 : slices);
	uintptr_t word = 0;

	if (i < STOCK_RUNS) {
		arn_yield_point("stock_take");
		word = take_word(&heap->x_stock[i]);
	}
	if (word == 0)
		return miss(heap);
	heap->stock_unused &= (uint8_t) ~(1u << i);
	*run = (struct run){ arena_at(pool_of(word)),
		             (unsigned)(pool_of(word) - arena_at(pool_of(word))->pool),
		             slices_in(word), 0, 0 };
	return true;
}

/* ---- putting and giving back ----------------------------------------------------------------- */

/* A free word.  STOCK_RUNS: there is none. */
static unsigned find_room(const struct heap *heap)
{
	unsigned i = 0;

	while (i < STOCK_RUNS && load_relaxed(&heap->x_stock[i]) != 0)
		i++;
	return i;
}

/* Where more is kept than may be, because less is in use or credit has ended, the heap gives back
 * all of its stock. */
bool stock_put(struct heap *heap, struct pool *pool)
{
	size_t bytes = pool_span(pool) + stock_bytes(heap);
	unsigned i = find_room(heap);

	heap->stock_released += heap->stock_released < UINT8_MAX;
	if (pool->slices > SLICES_MAX || option(OPTION_LIMIT) != 0)
		return false;
	if (load_relaxed(&heap->x_grant) != 0 && retain_is_exceeded(0)) {
		stock_give_back(heap);
		return false;
	}
	if (i == STOCK_RUNS || !is_granted(heap, bytes))
		return false;
	heap->stock_most = max_size(heap->stock_most, bytes);
	pool_forget(pool);
	store_release(&heap->x_stock[i], (uintptr_t)pool | pool->slices); /* K1 */
	return true;
}

static void release_run(_Atomic uintptr_t *x_word)
{
	uintptr_t word = load_relaxed(x_word) ? take_word(x_word) : 0;
	struct pool *pool = pool_of(word);
	size_t slices = slices_in(word);

	if (word)
		supply_release(arena_at(pool), (unsigned)(pool - arena_at(pool)->pool), slices,
		               slices);
}

void stock_rest(struct heap *heap)
{
	uint8_t unused = heap->stock_unused;

	heap->stock_unused = 0;
	for (unsigned i = 0; i < STOCK_RUNS; i++) {
		if (unused >> i & 1)
			release_run(&heap->x_stock[i]);
		if (load_relaxed(&heap->x_stock[i]) != 0)
			heap->stock_unused |= (uint8_t)(1u << i);
	}
	lower_grant(heap, heap->stock_most);
	heap->stock_most = stock_bytes(heap);
	heap->stock_released = 0;
	heap->stock_missed /= 2;
}

void stock_give_back(struct heap *heap)
{
	for (unsigned i = 0; i < STOCK_RUNS; i++)
		release_run(&heap->x_stock[i]);
	lower_grant(heap, 0);
}
