/* SPDX-License-Identifier: MIT
 *
 * sample.h - options PROFILE and GUARD: which blocks are samples, and which of those are guarded.
 *
 * Points lie on the line of all bytes that a heap hands out, at exponential distances of R bytes on
 * average, R being the option.  A block on which a point lies is a sample.  So a block that counts
 * S bytes is one with the probability 1 - exp(-S / R), and sums of samples, each divided by its
 * probability, are unbiased: doc/profile.md has the proof.
 *
 * Counted     A handle leads to the face of its heap.  With the options off, that is the heap, and
 *             nothing is counted.  With one of them on, it is a meter: a stand-in whose bins are
 *             empty, so that each malloc comes to malloc_slow, which counts the block as the next
 *             bytes of the line.  Functions that are called often do without that way: by
 *             heap_malloc_counted (alloc.h) they count and take a block of the heap's bin in a few
 *             instructions more than malloc has else.  They are chosen once in a process, so one
 *             without the options pays nothing.  free goes by the descriptor of the pool, which
 *             leads to the heap itself.  A block counts the size that was asked for and a byte
 *             more, so that a block of no bytes has a chance.
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
 * Progress    wait-free.
 */
#ifndef ARN_SAMPLE_H
#define ARN_SAMPLE_H

#include "base/option.h"
#include "heap/types.h"

struct sample_meter {
	/* Of its fields, only self, face and left are used, and the bins, which are empty.  left is
	 * the distance to the next point; with option GUARD alone, in blocks. */
	struct heap face;
	uint64_t random;
	uint32_t passed; /* samples since the last one that was guarded */
};

/* A heap with its meter, so that malloc finds either without a load. */
struct metered_heap {
	struct sample_meter meter;
	struct heap heap;
};

/* Memory for a heap, and for its meter if the option is on.  NULL: there is none. */
struct heap *sample_take_heap(void);
/* A new heap, of sample_take_heap, gets its meter if the option is on. */
void sample_attach(struct heap *heap);
/* The distance to the next point is drawn anew. */
void sample_restart(struct sample_meter *meter);
/* This block is a sample: is it to be guarded as well (option GUARD)?  With option PROFILE each Nth
 * sample is, and else all of them, because each Nth block is a sample. */
bool sample_is_guarded(struct sample_meter *meter);
/* The probability that a point lies on `counted` bytes. */
double sample_chance(size_t counted);

static inline bool sample_is_metered(const struct heap *face)
{
	return face->self != face && !BUG(unmetered);
}

/* The heap behind a face that is a meter. */
static inline struct heap *sample_heap(struct heap *face)
{
	return (struct heap *)((char *)face + offsetof(struct metered_heap, heap));
}

static inline struct sample_meter *sample_meter(struct heap *face)
{
	return (struct sample_meter *)face;
}

/* What is counted of all that is handed out: bytes for option PROFILE, and with option GUARD alone
 * blocks. */
enum counting { COUNT_NOTHING, COUNT_BYTES, COUNT_BLOCKS, COUNTINGS };

static inline enum counting sample_counting(void)
{
	if (option(OPTION_PROFILE) > 0)
		return COUNT_BYTES;
	return option(OPTION_GUARD) > 0 ? COUNT_BLOCKS : COUNT_NOTHING;
}

/* What a block of so many bytes counts. */
static inline size_t sample_bytes(enum counting counting, size_t size)
{
	return counting == COUNT_BYTES ? size : 1;
}

/* Is a block that counts so many bytes a sample?  If it is none, it has been counted. */
static inline bool sample_is_due(struct sample_meter *meter, size_t size)
{
	size_t counted = sample_bytes(sample_counting(), size);

	if (meter->face.left < counted) {
		sample_restart(meter);
		return true;
	}
	meter->face.left -= counted;
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
