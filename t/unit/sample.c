/* SPDX-License-Identifier: MIT
 *
 * sample - option PROFILE: how often blocks become samples, that sums of samples are unbiased, and
 * that a sample is freed, resized and walked as any other block.
 */
#include "support/core.h"

#include "base/option.h"
#include "profile/profile.h"
#include "support/sample.h"

enum { RUNS = 50, LINES = 5, MOST = 8192 };

static double root(double x)
{
	double y = x > 1 ? x : 1;

	for (unsigned i = 0; i < 100; i++)
		y = (y + x / y) / 2;
	return y;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static bool is_near(double a, double b, double part)
{
	return a >= b * (1 - part) && a <= b * (1 + part);
}

static void test_chance(void)
{
	ok(is_near(sample_chance(MEAN), 0.63212055882856, 1e-7), "the chance of one mean");
	ok(is_near(sample_chance(MEAN / 64), 0.015503562994591, 1e-7), "of a 64th of it");
	ok(is_near(sample_chance(3 * MEAN), 0.95021293163214, 1e-7), "of three");
	ok(is_near(sample_chance(1), 1.0 / MEAN, 1e-4), "of a byte");
	ok(sample_chance((size_t)1 << 40) == 1, "of a terabyte");
}

/* The mean of exponential distances is MEAN, and so is their standard deviation. */
static void test_distances(void)
{
	enum { N = 200000 };
	arn_heap handle;
	struct sample_meter *meter;
	double sum = 0, squares = 0;

	begin(&handle, ARN_TAG_MEM, 0);
	meter = sample_meter(handle.heap);
	for (unsigned i = 0; i < N; i++) {
		double left;

		sample_restart(meter);
		left = (double)meter->face.left + 0.5;
		sum += left;
		squares += left * left;
	}
	sum /= N;
	squares = root(squares / N - sum * sum);
	arn_heap_abandon(&handle);
	ok(is_near(sum, MEAN, 0.01), "distances are %.0f on average", sum);
	ok(is_near(squares, MEAN, 0.02), "and deviate by %.0f", squares);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* What is live: blocks of a line have sizes of their own, since the image has no lines of C. */
struct line {
	size_t size, step, blocks;
	double truth;
};
static struct line lines[LINES] = {
	{ 16, 16, 4000, 0 },   { 300, 7, 300, 0 },          { 5000, 64, 100, 0 },
	{ 60000, 512, 40, 0 }, { 300 * 1024, 8192, 12, 0 },
};

static size_t size_of(const struct line *line, size_t i)
{
	return line->size + i % 16 * line->step;
}

static int line_of(size_t size)
{
	for (int i = LINES - 1; i > 0; i--)
		if (size >= lines[i].size)
			return i;
	return 0;
}

static void add_live(double *sums, double *blocks)
{
	memset(sums, 0, LINES * sizeof(*sums));
	memset(blocks, 0, LINES * sizeof(*blocks));
	for (struct record *record = image_first(); record; record = image_next(record)) {
		const struct record_sample *sample = (const struct record_sample *)record;
		int line;

		if (load_relaxed(&record->x_kind) != RECORD_SAMPLE || sample->state != SAMPLE_LIVE)
			continue;
		line = line_of(sample->size);
		sums[line] += (double)sample->size / sample_chance(sample->counted);
		blocks[line] += 1 / sample_chance(sample->counted);
	}
}

static void *live[LINES][MOST];

static void fill(arn_heap *handle, int line)
{
	for (size_t i = 0; i < lines[line].blocks; i++) {
		/* two of three by the function that counts, one behind the other: if that did not,
		 * each would be looked at with the distance that the one before had */
		arn_heap_malloc_fn *fn = i % 3 ? arn_heap_malloc_entry() : arn_heap_malloc;

		/* some come and go, and are freed into the bins that serve next */
		arn_free(fn(handle, size_of(&lines[line], i)));
		live[line][i] = fn(handle, size_of(&lines[line], i));
	}
}

static void drop(int line)
{
	for (size_t i = 0; i < lines[line].blocks; i++)
		arn_free(live[line][i]);
}

/* Two threads make what is live, and the second one frees what the first one has made. */
static arn_heap handles[2];
static double sum[RUNS][LINES], count[RUNS][LINES];

static void make_and_drop(unsigned thread)
{
	for (unsigned run = 0; run < RUNS; run++) {
		if (run == 0)
			begin(&handles[thread], ARN_TAG_MEM, 1 + thread);
		for (int line = (int)thread; line < LINES; line += 2)
			fill(&handles[thread], line);
		barrier();
		if (thread == 0)
			add_live(sum[run], count[run]);
		barrier();
		if (thread == 1)
			for (int line = 0; line < LINES; line++)
				drop(line);
		barrier();
	}
	arn_heap_abandon(&handles[thread]);
}

/* The error of one run is sum(size^2 (1 - p) / p): each block is a sample or not, without regard to
 * the others. */
static double error_of(const struct line *line, bool of_blocks)
{
	double variance = 0;

	for (size_t i = 0; i < line->blocks; i++) {
		double p = sample_chance(size_of(line, i) + 1);
		double value = of_blocks ? 1 : (double)size_of(line, i);

		variance += value * value * (1 - p) / p;
	}
	return root(variance);
}

static void check_line(int line)
{
	double mean = 0, blocks = 0, error, error_blocks;

	lines[line].truth = 0;
	for (size_t i = 0; i < lines[line].blocks; i++)
		lines[line].truth += (double)size_of(&lines[line], i);
	for (unsigned run = 0; run < RUNS; run++) {
		mean += sum[run][line] / RUNS;
		blocks += count[run][line] / RUNS;
	}
	error = error_of(&lines[line], false) / root(RUNS);
	error_blocks = error_of(&lines[line], true) / root(RUNS);
	ok(mean > lines[line].truth - 2.58 * error && mean < lines[line].truth + 2.58 * error,
	   "line %d: %.0f bytes of %.0f, error %.0f", line, mean, lines[line].truth, error);
	ok(blocks > (double)lines[line].blocks - 2.58 * error_blocks &&
	           blocks < (double)lines[line].blocks + 2.58 * error_blocks,
	   "line %d: %.2f blocks of %zu, error %.2f", line, blocks, lines[line].blocks,
	   error_blocks);
}

static void test_sums(void)
{
	double rest[LINES], blocks[LINES], all = 0;

	threads(2, make_and_drop);
	for (int line = 0; line < LINES; line++)
		check_line(line);
	add_live(rest, blocks);
	for (int line = 0; line < LINES; line++)
		all += blocks[line];
	ok(all == 0, "nothing is live when all is freed");
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void test_marks(void)
{
	arn_heap handle;
	void *small, *large, *plain;

	begin(&handle, ARN_TAG_MEM, 0);
	make_due(&handle);
	small = arn_heap_malloc(&handle, 100);
	make_due(&handle);
	large = arn_heap_malloc(&handle, MIB);
	make_none(&handle);
	plain = arn_heap_malloc(&handle, 100);
	ok(sample_is(pool_find(small)) && sample_is(pool_find(large)) &&
	           !sample_is(pool_find(plain)),
	   "samples are marked");
	ok(load_relaxed(&load_relaxed(&pool_find(small)->x_heap)->x_owner) == OWNER_NONE,
	   "a small sample is in a heap of no thread");
	ok(live_samples() == 2, "two samples are live");
	memset(small, 1, 100);
	memset(large, 1, MIB);
	arn_free(small);
	arn_free(large);
	arn_free(plain);
	ok(live_samples() == 0, "none is, when they are freed");
	ok(profile_last(small) && profile_last(small)->freed_at, "the last one is known");
	arn_heap_abandon(&handle);
}

static void test_large_again(void)
{
	arn_heap handle;
	void *block;
	unsigned marked = 0;

	begin(&handle, ARN_TAG_MEM, 0);
	make_due(&handle);
	block = arn_heap_malloc(&handle, MIB);
	arn_free(block);
	for (unsigned i = 0; i < 4; i++) {
		make_none(&handle);
		block = arn_heap_malloc(&handle, MIB);
		marked += sample_is(pool_find(block));
		arn_free(block);
	}
	ok(marked == 0, "a large block in the place of a sample is none");
	arn_heap_abandon(&handle);
}

static void test_resize(void)
{
	arn_heap handle;
	char *block;

	begin(&handle, ARN_TAG_MEM, 0);
	make_due(&handle);
	block = arn_heap_malloc(&handle, 1000);
	memset(block, 7, 1000);
	make_none(&handle);
	block = arn_heap_realloc(&handle, block, 990);
	ok(profile_last(block) && profile_last(block)->size == 990, "a sample has its new size");
	block = arn_heap_realloc(&handle, block, 10000);
	ok(live_samples() == 0 && block[0] == 7 && block[989] == 7,
	   "one that moves is a block as any other");
	arn_free(block);
	block = arn_heap_malloc(&handle, 300 * KIB);
	ok(live_samples() == 0, "a large block without a point");
	make_due(&handle);
	block = arn_heap_realloc(&handle, block, 340 * KIB);
	ok(live_samples() == 1, "is a sample when one lies on what it has grown by");
	arn_free(block);
	ok(live_samples() == 0, "and is freed");
	arn_heap_abandon(&handle);
}

static bool find_block(const arn_heap *handle, const struct arn_area *area, void *block,
                       size_t size, void *arg)
{
	void **wanted = arg;

	(void)handle;
	(void)area;
	(void)size;
	if (block && block == wanted[0])
		wanted[1] = block;
	return true;
}

static void test_walk(void)
{
	arn_heap handle;
	void *wanted[2] = { NULL, NULL };

	begin(&handle, ARN_TAG_GC, 0);
	make_due(&handle);
	wanted[0] = arn_heap_malloc(&handle, 64);
	arn_family_visit_orphans(NULL, ARN_TAG_GC, true, find_block, wanted);
	ok(wanted[1] == wanted[0], "a walk of orphans finds a sample");
	arn_free(wanted[0]);
	wanted[1] = NULL;
	arn_family_visit_orphans(NULL, ARN_TAG_GC, true, find_block, wanted);
	ok(wanted[1] == NULL, "and no longer when it is freed");
	arn_heap_abandon(&handle);
}

/* ---- heaps that are handed on ---------------------------------------------------------------- */

static size_t live_blocks(enum arn_tag tag)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats.tag[tag].live_blocks;
}

static void make_and_free_some(arn_heap *handle)
{
	static void *block[1000];

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < array_length(block); i++)
			block[i] = arn_heap_malloc(handle, 1);
		for (unsigned i = 0; i < array_length(block); i++)
			arn_free(block[i]);
	}
	arn_free(arn_heap_malloc(handle, 1));
}

/* The ready blocks of a heap's windows stay ready when the next user has the heap, whose first
 * malloc, in begin(), is of the same class. */
static void test_handed_on(void)
{
	size_t before = live_blocks(ARN_TAG_OBJECT);
	arn_heap handle;

	for (unsigned user = 0; user < 10; user++) {
		begin(&handle, ARN_TAG_OBJECT, 0);
		make_and_free_some(&handle);
		arn_heap_abandon(&handle);
	}
	ok(live_blocks(ARN_TAG_OBJECT) == before, "no block is lost when a heap is handed on");
}

static void test_aligned(void)
{
	arn_heap handle;
	void *block;

	begin(&handle, ARN_TAG_MEM, 0);
	make_due(&handle);
	block = arn_heap_calloc(&handle, 10, 10);
	ok(live_samples() == 1 && ((char *)block)[99] == 0, "calloc makes samples");
	arn_free(block);
	arn_heap_abandon(&handle);
}

int main(void)
{
	option_values[OPTION_PROFILE] = MEAN;
	profile_init();
	test_chance();
	test_distances();
	if (!profile_is_on()) { /* a static program of musl's can open no library */
		skip(1, "liburcu-cds cannot be loaded");
		return done();
	}
	test_marks();
	test_large_again();
	test_resize();
	test_walk();
	test_handed_on();
	test_aligned();
	test_sums();
	return done();
}
