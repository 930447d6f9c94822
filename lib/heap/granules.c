/* SPDX-License-Identifier: MIT */
#include "heap/granules.h"

#include "arena/arena.h"
#include "arena/pool.h"
#include "arena/retain.h"
#include "os/os.h"

size_t granules_bytes(const struct pool *pool, uint64_t granules)
{
	if (pool->cls == CLASS_LARGE)
		return granules ? pool_without_tail(pool) : 0;
	return (size_t)count_bits(granules) << granules_shift(pool);
}

void granules_mark_clean(struct pool *pool, uint64_t granules)
{
	uint64_t before = or_relaxed(&pool->bits->x_clean, granules);

	tally_add(&arena_counters.x_clean_bytes, granules_bytes(pool, granules & ~before));
}

/* retain.h is told of each call, because it reckons with what a call gives back on average. */
static void note_gone(const struct granules_batch *batch, size_t bytes)
{
	if (os_joins_ranges()) {
		if (bytes)
			retain_note_gone(bytes);
		return;
	}
	for (unsigned i = 0; i < batch->n; i++)
		if (batch->range[i].iov_len)
			retain_note_gone(batch->range[i].iov_len);
}

size_t granules_purge(struct granules_batch *batch)
{
	size_t done = batch->n ? os_purge_ranges(batch->range, batch->n) : 0;

	for (unsigned i = 0; i < batch->n; i++)
		if (batch->range[i].iov_len)
			granules_mark_clean(batch->pool[i], batch->run[i]);
	note_gone(batch, done);
	batch->n = 0;
	return done;
}

static void add_run(struct granules_batch *batch, struct pool *pool, unsigned first, unsigned count)
{
	unsigned shift = granules_shift(pool), n = batch->n++;

	batch->range[n] = (struct iovec){ pool->base + ((size_t)first << shift),
		                          (size_t)count << shift };
	batch->pool[n] = pool;
	batch->run[n] = bit_run(first, count);
}

size_t granules_add(struct granules_batch *batch, struct pool *pool, uint64_t granules)
{
	size_t done = 0;

	while (granules) {
		unsigned first = lowest_bit(granules), count = run_length(granules, first);

		if (batch->n == GRANULES_RUNS || (BUG(sweep_singly) && batch->n))
			done += granules_purge(batch);
		add_run(batch, pool, first, count);
		granules &= ~bit_run(first, count);
	}
	return done;
}
