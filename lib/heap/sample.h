/* SPDX-License-Identifier: MIT
 *
 * sample.h - options PROFILE and GUARD: which blocks are samples, and which of those are guarded.
 *
 * Points lie on the line of all bytes that a heap hands out, at exponential distances of R bytes on
 * average, R being the option.  A block on which a point lies is a sample.  So a block that counts
 * S bytes is one with the probability 1 - exp(-S / R), and sums of samples, each divided by its
 * probability, are unbiased: doc/profile.md has the proof.
 *
 * Counted     A handle leads to the face of its heap.  With the option off, that is the heap, and
 *             nothing is counted.  With the option on, it is a meter: a stand-in with bins of its
 *             own, the windows.  The meter counts a few blocks of a class at once, as the next
 *             bytes of the line, and moves as many from the bin of the heap to the window, where
 *             malloc finds them by its fast path.  free goes by the descriptor of the pool, which
 *             leads to the heap itself: nothing is freed into a window, so each block is counted
 *             once for each time that it is handed out.  If a point lies on one of the blocks that
 *             are counted, the window ends before it, and the next block of this class is the
 *             sample (`due`).  Blocks of a table class count their block size; others are counted
 *             one by one, with the size that was asked for and a byte more, so that a block of no
 *             bytes has a chance.
 * Guarded     With option GUARD=N beside PROFILE, each Nth sample of a heap lies in a cell
 *             (cell.h).  With GUARD alone each block counts 1 instead of its bytes, and is a sample
 *             with the chance 1 / N; samples that are not guarded are blocks as any others then.
 * Marked      A sample of a size class lies in a heap that has nothing but samples.  No thread
 *             keeps such a heap: it is an orphan, in a stack of its own (family.h), and is taken
 *             for as long as it takes to make one block.  So x_owner fits no thread when such a
 *             block is freed, the free takes the slow path by itself, and walks of orphans find the
 *             block.  A large block comes to the slow path in any case; the mark is in its pool.
 *
 * Owner       a meter belongs to the user of its heap.  sample_is: any thread that holds the block.
 * Invariant   credit[cls] + blocks in the window == blocks of the class that were counted, and not
 *             handed out yet; if due[cls], the one after them is a sample
 * Progress    wait-free.
 */
#ifndef ARN_SAMPLE_H
#define ARN_SAMPLE_H

#include "base/option.h"
#include "heap/types.h"

/* The classes up to TABLE_MAX have windows, of so many blocks. */
#define SAMPLE_CLASSES 32u
#define SAMPLE_WINDOW  64u

struct sample_meter {
	struct heap face; /* of its fields, only self, face and the bins are used */
	size_t left;      /* bytes up to the next point; with option GUARD alone, blocks */
	uint64_t random;
	uint32_t passed; /* samples since the last one that was guarded */
	uint8_t credit[SAMPLE_CLASSES];
	bool due[SAMPLE_CLASSES];
	void *window[SAMPLE_CLASSES][SAMPLE_WINDOW];
};

/* A new heap gets its meter, if the option is on.  Without memory for one it does without, and none
 * of its blocks is a sample. */
void sample_attach(struct heap *heap);
/* The distance to the next point is drawn anew. */
void sample_restart(struct sample_meter *meter);
/* For sample_is_next: a point lies on one of the blocks that are about to be counted. */
cold void sample_find_point(struct sample_meter *meter, unsigned cls);
/* Fill the window of this class with blocks of the heap's bin that have been counted. */
void sample_fill_window(struct sample_meter *meter, unsigned cls);
/* This block is a sample: is it to be guarded as well (option GUARD)?  With option PROFILE each Nth
 * sample is, and else all of them, because each Nth block is a sample. */
bool sample_is_guarded(struct sample_meter *meter);
/* The probability that a point lies on `counted` bytes. */
double sample_chance(size_t counted);

static inline bool sample_is_metered(const struct heap *face)
{
	return face->self != face && !BUG(unmetered);
}

static inline struct sample_meter *sample_meter(struct heap *face)
{
	return (struct sample_meter *)face;
}

/* The window of this class; NULL: the heap has none. */
static inline struct bin *sample_window(const struct heap *heap, unsigned cls)
{
	return heap->face != heap && cls < SAMPLE_CLASSES ? &heap->face->bin[cls] : NULL;
}

/* What a block of so many bytes counts: with option GUARD alone, each block counts 1. */
static inline size_t sample_bytes(size_t size)
{
	return option(OPTION_PROFILE) > 0 ? size : 1;
}

/* Counts more blocks of a table class, until SAMPLE_WINDOW are counted and not handed out yet, or
 * those before the first point and the one on which it lies. */
static inline void sample_count(struct sample_meter *meter, unsigned cls)
{
	size_t bytes = (SAMPLE_WINDOW - meter->credit[cls]) * sample_bytes(sizeclasses[cls].size);

	if (unlikely(meter->left < bytes)) {
		sample_find_point(meter, cls);
		return;
	}
	meter->left -= bytes;
	meter->credit[cls] = SAMPLE_WINDOW;
}

/* The decision for a block of a table class, whose window is empty.  true: it is a sample.  false:
 * it is none, and has been counted. */
static inline bool sample_is_next(struct sample_meter *meter, unsigned cls)
{
	if (!meter->due[cls])
		sample_count(meter, cls);
	if (meter->credit[cls] == 0) {
		meter->due[cls] = false;
		return true;
	}
	meter->credit[cls]--;
	return false;
}

/* The same decision for any other block, which counts so many bytes. */
static inline bool sample_is_due(struct sample_meter *meter, size_t size)
{
	size_t counted = sample_bytes(size);

	if (meter->left < counted) {
		sample_restart(meter);
		return true;
	}
	meter->left -= counted;
	return false;
}

/* What was counted of the block of a large pool, which may grow in place. */
static inline void sample_count_large(struct pool *pool, size_t counted)
{
	pool->counted = (uint32_t)min_size((counted + 15) / 16, UINT32_MAX);
}

static inline size_t sample_counted(const struct pool *pool)
{
	return (size_t)pool->counted * 16;
}

static inline void sample_mark_large(struct pool *pool, size_t counted)
{
	sample_count_large(pool, counted);
	pool->sampled = true;
}

/* Is the block in this pool a sample?  `pool` is the lead descriptor of a pool of Arenite. */
static inline bool sample_is(const struct pool *pool)
{
	return load_relaxed(&pool->x_heap)->sampled || (pool->cls == CLASS_LARGE && pool->sampled);
}

#endif
