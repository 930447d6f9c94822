/* SPDX-License-Identifier: MIT
 *
 * sample - option PROFILE: how often blocks become samples, that sums of samples are unbiased, and
 * that a sample is freed, resized and walked as any other block.
 */
#include "support/core.h"

#include "base/option.h"
#include "heap/cache.h"
#include "heap/heap.h"
#include "heap/sample.h"
#include "profile/image.h"
#include "profile/profile.h"

#include <arenite/arenite.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEAN = 64 * 1024, RUNS = 50, LINES = 5, MOST = 8192 };

/* A heap whose points are the same in each run of this program, so that a test at the level of 1 %
 * does not fail in each hundredth run.  Another seed gives other points: ARN_TEST_POINTS. */
static void begin(arn_heap *handle, enum arn_tag tag, uint64_t number)
{
	const char *points = getenv("ARN_TEST_POINTS");
	struct sample_meter *meter;

	arn_heap_init(handle, NULL, tag);
	arn_free(arn_heap_malloc(handle, 1));
	meter = sample_meter(handle->heap);
	meter->random = (number + (points ? strtoull(points, NULL, 0) : 8)) << 32;
	sample_restart(meter);
}

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
		left = (double)meter->left + 0.5;
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
		/* some come and go, and are freed into the bins that serve next */
		arn_free(arn_heap_malloc(handle, size_of(&lines[line], i)));
		live[line][i] = arn_heap_malloc(handle, size_of(&lines[line], i));
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

static size_t counted_of(size_t size)
{
	return size <= TABLE_MAX ? sizeclasses[sizeclass_of(size)].size : size + 1;
}

/* The error of one run is sum(size^2 (1 - p) / p): each block is a sample or not, without regard to
 * the others. */
static double error_of(const struct line *line, bool of_blocks)
{
	double variance = 0;

	for (size_t i = 0; i < line->blocks; i++) {
		double p = sample_chance(counted_of(size_of(line, i)));
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

static size_t live_samples(void)
{
	size_t n = 0;

	for (struct record *record = image_first(); record; record = image_next(record))
		n += load_relaxed(&record->x_kind) == RECORD_SAMPLE &&
		     ((const struct record_sample *)record)->state == SAMPLE_LIVE;
	return n;
}

/* The next point lies `left` bytes behind what is handed out next. */
static void place_point(arn_heap *handle, size_t left)
{
	struct sample_meter *meter = sample_meter(handle->heap);

	cache_flush(handle_heap(handle));
	memset(meter->credit, 0, sizeof(meter->credit));
	memset(meter->due, 0, sizeof(meter->due));
	meter->left = left;
}

static void make_due(arn_heap *handle)
{
	place_point(handle, 0);
}

static void make_none(arn_heap *handle)
{
	place_point(handle, SIZE_MAX / 2);
}

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

/* ---- a thread that stands still -------------------------------------------------------------- */

static const char *stand_at;
static __thread bool may_stand;

static void stand_there(const char *where)
{
	if (!may_stand || strcmp(where, stand_at) != 0)
		return;
	may_stand = false;
	yield_stand();
}

/* Many at a time, so that new records are needed as well as old ones, and batches of them. */
static bool make_and_free_samples(enum arn_tag tag, unsigned rounds)
{
	static __thread void *block[200];
	bool all = true;
	arn_heap handle;

	begin(&handle, tag, 0);
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < array_length(block); i++) {
			make_due(&handle);
			block[i] = arn_heap_malloc(&handle, 100);
			all = all && block[i] && sample_is(pool_find(block[i]));
		}
		for (unsigned i = 0; i < array_length(block); i++)
			arn_free(block[i]);
	}
	arn_heap_abandon(&handle);
	return all;
}

static void *stand_still(void *arg)
{
	may_stand = true;
	make_and_free_samples(ARN_TAG_OBJECT, 10);
	may_stand = false;
	return arg;
}

/* The others make and free as many samples as they like meanwhile. */
static void test_standing(const char *where)
{
	pthread_t thread;
	bool stood;

	stand_at = where;
	yield_arm(stand_there);
	if (pthread_create(&thread, NULL, stand_still, NULL))
		bail("pthread_create");
	for (unsigned ms = 0; !yield_stands() && ms < 20000; ms++)
		usleep(1000);
	stood = yield_stands();
	ok(make_and_free_samples(ARN_TAG_MEM, 5) && stood, "a thread that stands still in %s",
	   where);
	yield_go_on();
	pthread_join(thread, NULL);
	yield_arm(NULL);
}

static void test_progress(void)
{
	static const char *const places[] = { "image_take",    "lookup_add",   "lookup_match",
		                              "lookup_remove", "spare_retire", "spare_step" };

	for (unsigned i = 0; i < array_length(places); i++)
		test_standing(places[i]);
	ok(live_samples() == 0, "and all of them were freed");
}

/* ---- many threads ---------------------------------------------------------------------------- */

enum { SLOTS = 512, ROUNDS = 20000 };
static _Atomic(void *) x_slot[SLOTS];

static void exchange_blocks(unsigned thread)
{
	arn_heap handle;
	struct rng rng = rng_start(thread);
	long n = tap_scale(ROUNDS);

	arn_heap_init(&handle, NULL, thread % 2 ? ARN_TAG_MEM : ARN_TAG_GC);
	for (long i = 0; i < n; i++) {
		size_t size = rng_below(&rng, rng_below(&rng, 100) ? 2000 : 200000);
		void *block = arn_heap_malloc(&handle, size);

		expect(block != NULL);
		memset(block, (int)thread, min_size(size, 64));
		arn_free(exchange_acq_rel(&x_slot[rng_below(&rng, SLOTS)], block));
	}
	arn_heap_abandon(&handle);
}

/* Every tenth block is a sample here, so that their records are in use all the time. */
static void test_threads(void)
{
	option_values[OPTION_PROFILE] = 10000;
	yield_start(tap_seed(), 8);
	threads(4, exchange_blocks);
	yield_start(0, 0);
	option_values[OPTION_PROFILE] = MEAN;
	for (unsigned i = 0; i < SLOTS; i++)
		arn_free(load_relaxed(&x_slot[i]));
	no_errors("four threads make and free samples of each other");
	ok(live_samples() == 0, "none is live when all is freed");
}

/* How many descriptors lead to an image? */
static unsigned images(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n += readlink(path, target, sizeof(target) - 1) > 0 &&
		     strncmp(target, "/memfd:arenite-profile ", 23) == 0;
	}
	return n;
}

static int child_has_one_image(void)
{
	return images() == 1 ? 0 : 1;
}

static int child_goes_on(void)
{
	exchange_blocks(1);
	for (unsigned i = 0; i < SLOTS; i++)
		arn_free(exchange_acq_rel(&x_slot[i], NULL));
	return live_samples() == 0 && image_header()->process == (uint64_t)getpid() ? 0 : 1;
}

static void test_fork(void)
{
	arn_heap handle;
	void *block;

	begin(&handle, ARN_TAG_MEM, 0);
	make_due(&handle);
	block = arn_heap_malloc(&handle, 50);
	for (unsigned i = 0; i < SLOTS; i++)
		store_relaxed(&x_slot[i], NULL);
	store_relaxed(&x_slot[0], block);
	ok(status_of_child(child_goes_on) == 0, "a child goes on with the samples of its parent");
	ok(live_samples() == 1, "its parent does not notice");
	ok(images() == 1 && status_of_child(child_has_one_image) == 0,
	   "a child has an image of its own, and not its parent's");
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
	test_progress();
	test_threads();
	test_fork();
	return done();
}
