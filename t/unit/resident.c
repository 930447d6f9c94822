/* SPDX-License-Identifier: MIT
 *
 * resident - for heaps of several shapes, the parts of what is resident add up to what the kernel
 * says, and each part is what its name says.
 */
#include "support/core.h"
#include "support/probe.h"
#include "support/provider.h"

#include "arena/meta.h"
#include "os/os.h"
#include "base/option.h"
#include "base/panic.h"
#include "arena/reclaim.h"
#include "arena/registry.h"
#include "heap/remote.h"
#include "arena/retire.h"

#include <arenite/arenite.h>

enum { BLOCKS = 60000 };

static void *block[BLOCKS];
static struct arn_resident now;

/* ---- what the kernel says -------------------------------------------------------------------- */

struct range {
	uintptr_t from, to;
	bool ours;
};

static void look_for_chunk(void *arg, const void *chunk, size_t size)
{
	struct range *range = arg;

	(void)size;
	range->ours |= (uintptr_t)chunk >= range->from && (uintptr_t)chunk < range->to;
}

/*
 * A mapping is ours if there is an arena's head or one of our records in it, since the kernel joins
 * neighbours.
 */
static bool is_ours(struct range range)
{
	if (range.from >> ADDRESS_BITS)
		return false; /* the kernel's */
	for (uintptr_t at = align_up(range.from, ARENA_SIZE); at < range.to && !range.ours;
	     at += ARENA_SIZE)
		range.ours = registry_has((void *)at) || registry_is_retired((void *)at);
	meta_visit(look_for_chunk, &range);
	return range.ours;
}

static size_t kernel_says(void)
{
	FILE *file = probe_own_proc() ? fopen("/proc/self/smaps", "r") : NULL;
	unsigned long from, to, kib;
	bool ours = false;
	char line[512];
	size_t sum = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ours = is_ours((struct range){ from, to, false });
		else if (ours && sscanf(line, "Rss: %lu", &kib) == 1)
			sum += kib * KIB;
	}
	fclose(file);
	return sum;
}

static bool is_near(size_t is, size_t wanted, unsigned percent)
{
	size_t off = is > wanted ? is - wanted : wanted - is;

	return off * 100 <= wanted * percent;
}

static size_t sum_of_parts(void)
{
	return now.live + now.cached + now.remote + now.waiting + now.retired + now.pinned +
	       now.retained + now.metadata;
}

static void agrees(const char *shape)
{
	size_t kernel = kernel_says();

	arn_stats_resident(&now, sizeof(now));
	note("%s: live %zu cached %zu remote %zu waiting %zu retired %zu pinned %zu retained %zu "
	     "own %zu KiB",
	     shape, now.live / KIB, now.cached / KIB, now.remote / KIB, now.waiting / KIB,
	     now.retired / KIB, now.pinned / KIB, now.retained / KIB, now.metadata / KIB);
	if (!kernel)
		skip(1, "no /proc/self/smaps of this process");
	else if (!ok(is_near(now.total, kernel, 2) && sum_of_parts() == now.total,
	             "%s: the parts add up to what the kernel says", shape))
		note("all %zu, kernel %zu, sum %zu", now.total, kernel, sum_of_parts());
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static size_t some_size(size_t i)
{
	return i % 97 == 0 ? 20000 + i : 16 + i * 7 % 1200;
}

static void *make(size_t size)
{
	void *made = arn_mem_malloc(size);

	invariant(made);
	return memset(made, 1, size);
}

/* A page as large as a slice is resident as a whole, with what a block of 36 or of 48 KiB leaves of
 * its slice. */
static unsigned live_for_pinned(void)
{
	return os_page_size() < SLICE ? 10 : 5;
}

static void test_dense(void)
{
	struct arn_stats stats;

	for (size_t i = 0; i < BLOCKS; i++)
		block[i] = make(some_size(i));
	agrees("dense");
	arn_stats_read(&stats, sizeof(stats));
	/* a block of a class is a little larger than what was asked for and written to */
	ok(is_near(now.live, stats.tag[ARN_TAG_MEM].live_bytes, 10) &&
	           now.live > live_for_pinned() * now.pinned,
	   "dense: nearly all is live");
}

static void free_but(unsigned stays)
{
	for (size_t i = 0; i < BLOCKS; i++) {
		if (i % stays == 0)
			continue;
		arn_mem_free(block[i]);
		block[i] = NULL;
	}
}

static void test_fragmented(void)
{
	struct arn_stats stats;

	free_but(20);
	agrees("fragmented");
	arn_stats_read(&stats, sizeof(stats));
	ok(is_near(now.live, stats.tag[ARN_TAG_MEM].live_bytes, 10),
	   "fragmented: what is live is as before");
	ok(now.cached > 0 && now.cached <= stats.tag[ARN_TAG_MEM].cached_bytes,
	   "fragmented: caches hold some of it");
	ok(now.pinned > now.live / 2, "fragmented: free blocks beside live ones are pinned");
}

static void free_rest(unsigned self)
{
	(void)self;
	for (size_t i = 0; i < BLOCKS; i++) {
		arn_mem_free(block[i]);
		block[i] = NULL;
	}
}

static void test_remote(void)
{
	struct arn_stats stats;

	arn_stats_resident(&now, sizeof(now));
	size_t live = now.live;

	/* beyond that, whoever frees gives back pages */
	option_values[OPTION_RETAIN] = 1024 * MIB;
	threads(1, free_rest);
	option_values[OPTION_RETAIN] = 8 * MIB;
	agrees("freed by another thread");
	arn_stats_read(&stats, sizeof(stats));
	ok(now.live < live / 50 && is_near(now.remote, stats.tag[ARN_TAG_MEM].remote_bytes, 10),
	   "freed by another thread: live no more, and not home");
}

static void test_trimmed(void)
{
	arn_trim();
	agrees("trimmed");
	ok(now.live + now.remote + now.cached + now.pinned + now.waiting == 0 && now.retained == 0,
	   "trimmed: nothing but our own records is left");
}

/* Pages that were read and never written to are all the same page of zeros. */
static void test_zeros(void)
{
	unsigned char pages[4], *zeroed = arn_mem_calloc(1, 50 * MIB);
	size_t sum = 0, page = os_page_size();

	for (size_t at = 0; at < 50 * MIB; at += page)
		sum += zeroed[at];
	expect(os_resident(zeroed - (uintptr_t)zeroed % page, 4 * page, pages) == 0);
	if ((pages[0] | pages[1] | pages[2] | pages[3]) & 1)
		skip(1, "this kernel counts pages of zeros");
	else
		agrees("read, not written to");
	no_errors("read, not written to: %zu", sum);
	arn_mem_free(zeroed);
}

static void test_large(void)
{
	void *large = make(9 * MIB), *huge = make(70 * MIB), *zeroed = arn_mem_calloc(1, 50 * MIB);

	agrees("large blocks");
	ok(is_near(now.live, 79 * MIB, 1), "large blocks: what was written to is live");
	arn_mem_free(large);
	arn_mem_free(huge);
	agrees("large blocks, freed");
	ok(now.live == 0, "large blocks, freed: not live any more");
	arn_mem_free(zeroed);
	arn_trim();
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void test_waiting(void)
{
	arn_heap heap;

	arn_heap_init(&heap, arn_family_new(&provider), ARN_TAG_OBJECT);
	for (size_t i = 0; i < 8000; i++) {
		block[i] = arn_heap_malloc(&heap, 200);
		invariant(block[i]);
		memset(block[i], 1, 200);
	}
	for (size_t i = 0; i < 8000; i++)
		arn_free(block[i]);
	agrees("readers may still look");
	ok(now.waiting > 400 * KIB && now.live < 4 * KIB,
	   "readers may still look: empty pools wait");
	readers_are_done = true;
	arn_heap_visit(&heap, false, NULL, NULL);
	arn_stats_resident(&now, sizeof(now));
	ok(now.waiting == 0, "none look any more: none waits");
	arn_heap_abandon(&heap);
	memset(block, 0, sizeof(block));
}

static void trim(unsigned self)
{
	(void)self;
	arn_mem_free(make(70 * MIB));
	arn_trim();
}

static void test_retired(void)
{
	reclaim_enter();
	threads(1, trim);
	if (retire_waiting() == 0) {
		skip(2, "no arena was retired");
	} else {
		agrees("a reader stands still");
		ok(now.retired > 0, "a reader stands still: arenas wait for it");
	}
	reclaim_exit();
}

/* ---- while others work ----------------------------------------------------------------------- */

static atomic_bool stop;

static void work_or_read(unsigned self)
{
	struct rng rng = rng_start(self);
	void *mine[300] = { 0 };

	if (self == 0) {
		for (long i = tap_scale(100); i > 0; i--) {
			arn_stats_resident(&now, sizeof(now));
			expect(now.total == sum_of_parts() && now.total < (size_t)1 << 40);
		}
		atomic_store(&stop, true);
	}
	while (!atomic_load(&stop)) {
		void **at = &mine[rng_below(&rng, array_length(mine))];

		arn_mem_free(*at);
		*at = arn_mem_malloc(rng_below(&rng, rng_below(&rng, 500) ? 3000 : 20 * MIB));
		if (rng_below(&rng, 5000) == 0)
			arn_trim();
	}
	for (size_t i = 0; i < array_length(mine); i++)
		arn_mem_free(mine[i]);
}

int main(void)
{
	test_dense();
	test_fragmented();
	test_remote();
	test_trimmed();
	test_zeros();
	test_large();
	test_waiting();
	test_retired();
	threads(4, work_or_read);
	no_errors("read while others allocate, free and trim: every page is counted once");
	agrees("in the end");
	return done();
}
