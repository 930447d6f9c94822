/* SPDX-License-Identifier: MIT */
#include "arena/purge.h"

#include "arena/arena.h"
#include "os/os.h"
#include "arena/reclaim.h"
#include "arena/retain.h"
#include "arena/retire.h"

/* Runs that the caller has claimed and is about to purge. */
struct batch {
	unsigned n;
	size_t bytes;
	struct iovec range[PURGE_RUNS];
	struct {
		struct arena *arena;
		unsigned word;
		uint64_t mask;
	} run[PURGE_RUNS];
};

/* Free slices have lost this many bytes of pages. */
static size_t count(size_t bytes)
{
	if (bytes == 0)
		return 0;
	tally_sub(&arena_counters.x_retained, bytes);
	retain_note_gone(bytes);
	return bytes;
}

/* The slices of a word are free again, and some of them clean.  The arena may have been kept for
 * its pages alone; if it is free now, and one too many, it retires.  It stays mapped until the
 * caller's section ends. */
static void return_clean(struct arena *arena, unsigned word, uint64_t mask)
{
	arena_return_word(arena, word, mask);
	if (arena_is_free(arena))
		retire_if_spare(arena);
}

/* Purges the runs of the batch and releases them.  Those that the system has refused stay dirty. */
static size_t purge_batch(struct batch *batch)
{
	size_t done;

	if (batch->n == 0)
		return 0;
	arn_yield_point("purge_batch");
	done = os_purge_ranges(batch->range, batch->n);
	reclaim_enter();
	for (unsigned i = 0; i < batch->n; i++) {
		struct arena *arena = batch->run[i].arena;
		unsigned word = batch->run[i].word;
		uint64_t mask = batch->run[i].mask;

		if (batch->range[i].iov_len)
			and_relaxed(&arena->x_dirty[word], ~mask);
		return_clean(arena, word, mask);
	}
	reclaim_exit();
	batch->n = 0;
	batch->bytes = 0;
	return count(done);
}

/* Adds a run that the caller has claimed. */
static void add_run(struct batch *batch, struct arena *arena, unsigned word, uint64_t mask)
{
	char *base = (char *)arena + (word * 64 + lowest_bit(mask)) * SLICE;
	unsigned n = batch->n++;

	batch->range[n] = (struct iovec){ base, count_bits(mask) * SLICE };
	batch->run[n].arena = arena;
	batch->run[n].word = word;
	batch->run[n].mask = mask;
	batch->bytes += count_bits(mask) * SLICE;
}

static bool is_full(const struct batch *batch)
{
	return batch->n == PURGE_RUNS || batch->bytes >= PURGE_BATCH;
}

/* Is more than `keep` resident, once the batch has gone back? */
static bool is_over(const struct batch *batch, size_t keep)
{
	size_t retained = tally_read(&arena_counters.x_retained);

	return retained - min_size(retained, batch->bytes) > keep;
}

/* Claims each run of resident free slices in a word; none is longer than half a batch.  A run that
 * has changed before it could be claimed is passed over, and one that another thread has purged
 * before is put back. */
static size_t purge_word(struct batch *batch, struct arena *arena, unsigned word, size_t keep)
{
	uint64_t candidates = load_relaxed(&arena->x_free_slices[word]) &
	                      load_relaxed(&arena->x_dirty[word]);
	size_t done = 0;

	while (candidates && is_over(batch, keep)) {
		unsigned first = lowest_bit(candidates);
		uint64_t mask = bit_run(first, (unsigned)min_size(run_length(candidates, first),
		                                                  PURGE_BATCH / SLICE / 2));

		candidates &= ~mask;
		if (!arena_claim_word(arena, word, mask))
			continue;
		arn_yield_point("purge_word");
		if ((load_relaxed(&arena->x_dirty[word]) & mask) == mask)
			add_run(batch, arena, word, mask);
		else
			arena_return_word(arena, word, mask);
		if (is_full(batch))
			done += purge_batch(batch);
	}
	return done;
}

/* A free huge arena is claimed by its one word, and leaves once its pages have gone back.  The
 * caller is in a section. */
static size_t purge_huge(struct arena *arena)
{
	unsigned unused = 0;
	size_t bytes;

	if (!load_relaxed(&arena->x_huge_dirty) ||
	    !cas_acq_rel(&arena->x_huge_used, &unused, 1)) /* A1 */
		return 0;
	bytes = load_relaxed(&arena->x_huge_dirty) * SLICE;
	if (bytes && os_purge(arena_body(arena), bytes) == 0) {
		store_relaxed(&arena->x_huge_dirty, 0);
		count(bytes);
		retire_claimed(arena, true);
		return bytes;
	}
	arena_return_huge(arena);
	return 0;
}

static size_t purge_arena(struct batch *batch, struct arena *arena, size_t keep)
{
	size_t done = 0;

	if (arena->huge)
		return purge_huge(arena);
	for (unsigned word = 0; word < ARENA_WORDS && is_over(batch, keep); word++)
		done += purge_word(batch, arena, word, keep);
	return done;
}

/* The newest arenas come first, because the old ones are the dense ones.  Each is looked at in a
 * section of its own. */
size_t purge_to(size_t keep)
{
	struct batch batch;
	size_t done = 0;

	batch.n = 0;
	batch.bytes = 0;
	for (unsigned index = arena_find_resident(ARENAS_MAX);
	     index < ARENAS_MAX && is_over(&batch, keep) && os_takes_pages();
	     index = arena_find_resident(index)) {
		struct arena *arena;

		reclaim_enter();
		arena = registry_entry(index);
		if (arena)
			done += purge_arena(&batch, arena, keep);
		arena_correct_resident(index);
		reclaim_exit();
	}
	return done + purge_batch(&batch);
}

/* Half of the base is given back beyond what is needed, so that the next releases need no system
 * call. */
void purge_excess(size_t freed)
{
	size_t retained, keep, most;

	if (!retain_is_exceeded(0) || !os_takes_pages())
		return;
	retained = tally_read(&arena_counters.x_retained);
	keep = retain_for_slices() - retain_base() / 2;
	keep -= min_size(keep, tally_read(&arena_counters.x_waiting) +
	                               load_relaxed(&arena_counters.x_granted));
	most = max_size(PURGE_BATCH, freed + PURGE_BATCH / 2);
	purge_to(max_size(keep, retained - min_size(retained, most)));
}
