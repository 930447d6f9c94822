/* SPDX-License-Identifier: MIT
 *
 * large - blocks above 64 KiB that are resized, where they are or by their pages.  Their contents
 * stay whole, nothing is lost or counted twice, and an arena has nothing more to do with addresses
 * that it has given up.
 */
#include "support/core.h"
#include "support/probe.h"
#include "support/arenas.h"
#include "support/provider.h"

#include "heap/large.h"
#include "base/option.h"
#include "os/os.h"
#include "arena/retain.h"
#include "heap/heap.h"

#include <sys/mman.h>
#include <sys/resource.h>

enum { STEP = 4096, HELD = 12, WORKERS = 3 };

/* ---- contents -------------------------------------------------------------------------------- */

/* Write a word to each page that says where in which block it is. */
static void mark(char *block, size_t from, size_t to, size_t with)
{
	for (size_t at = align_up(from, STEP); at + 8 <= to; at += STEP)
		*(size_t *)(block + at) = at ^ with;
}

static bool is_marked(const char *block, size_t size, size_t with)
{
	for (size_t at = 0; at + 8 <= size; at += STEP)
		if (*(const size_t *)(block + at) != (at ^ with))
			return false;
	return true;
}

static char *resize(arn_heap *handle, char *block, size_t old_size, size_t size, size_t with)
{
	char *moved = arn_heap_realloc(handle, block, size);

	expect(moved && arn_usable_size(moved) >= size &&
	       is_marked(moved, min_size(old_size, size), with));
	mark(moved, old_size, size, with);
	return moved;
}

static size_t claimed(void)
{
	return tally_read_all(&arena_counters.x_claimed);
}

static void expect_nothing_left(void)
{
	arn_trim();
	expect_no_arenas();
	expect(tally_read_all(&arena_counters.x_clean_bytes) == 0 &&
	       tally_read_all(&arena_counters.x_waiting) == 0);
}

/* ---- in place -------------------------------------------------------------------------------- */

static void test_in_place(unsigned tag)
{
	size_t size = 131200, before, full;
	arn_heap handle;
	char *block, *grown;

	arn_heap_init(&handle, NULL, (enum arn_tag)tag);
	block = grown = resize(&handle, NULL, 0, size, 1);
	before = claimed();
	for (; size < 15 * MIB; size += size / 8) {
		grown = resize(&handle, grown, size, size + size / 8, 1);
		expect(heap_is_valid(handle.heap) && grown == block);
	}
	full = claimed();
	ok(grown == block && full >= before + 14 * MIB && full <= before + 19 * MIB,
	   "tag %u: a block grows in place, into free slices: %zu KiB more", tag,
	   (full - before) / KIB);
	grown = resize(&handle, block, size, MIB, 1);
	ok(grown == block && claimed() <= before + MIB && heap_is_valid(handle.heap),
	   "tag %u: and shrinks in place, and gives them back: %zu KiB more", tag,
	   (claimed() - before) / KIB);
	arn_free(block);
	arn_heap_abandon(&handle);
	expect_nothing_left();
	no_errors("tag %u: it is whole, and nothing is left", tag);
}

/* The slices behind the block are in use, and stay whole. */
static void test_neighbour(void)
{
	arn_heap handle;
	char *block, *next, *moved;

	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	block = resize(&handle, NULL, 0, 4 * MIB, 1);
	next = resize(&handle, NULL, 0, 4 * MIB, 2);
	moved = resize(&handle, block, 4 * MIB, 5 * MIB, 1);
	ok(moved != block && is_marked(next, 4 * MIB, 2),
	   "a block does not grow into its neighbour");
	moved = resize(&handle, moved, 5 * MIB, 2 * MIB, 1);
	arn_free(resize(&handle, NULL, 0, 3 * MIB, 3));
	ok(is_marked(moved, 2 * MIB, 1) && is_marked(next, 4 * MIB, 2),
	   "what it gives up serves others");
	arn_free(next);
	arn_free(moved);
	arn_heap_abandon(&handle);
	expect_nothing_left();
	no_errors("blocks are whole, and nothing is left");
}

static void test_limit(void)
{
	arn_heap handle;
	char *block;

	budget_set_limit(4 * MIB);
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	block = resize(&handle, NULL, 0, 3 * MIB, 1);
	ok(!arn_heap_realloc(&handle, block, 5 * MIB) && is_marked(block, 3 * MIB, 1),
	   "beyond the limit a block does not grow, in place neither");
	ok(arn_heap_realloc(&handle, block, 7 * MIB / 2) == block, "below it it does");
	budget_set_limit(0);
	arn_free(block);
	arn_heap_abandon(&handle);
	expect_nothing_left();
	no_errors("it is whole, and nothing is left");
}

/* What is behind a block in an arena of its own has no pages, and is counted nowhere; but where a
 * longer block was before, its pages are still there. */
static void test_tail(void)
{
	size_t retained, with_pages;
	arn_heap handle;
	char *block;

	option_parse(OPTION_RETAIN, "128M");
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	arn_free(resize(&handle, NULL, 0, 17 * MIB, 1));
	retained = tally_read_all(&arena_counters.x_retained);
	ok(retained >= 17 * MIB && retained <= large_size(17 * MIB),
	   "of a block of 17 MiB, %zu KiB are kept", retained / KIB);
	arn_free(resize(&handle, NULL, 0, 28 * MIB, 1));
	arn_free(resize(&handle, NULL, 0, 17 * MIB, 1));
	retained = tally_read_all(&arena_counters.x_retained);
	ok(retained >= 28 * MIB, "after one of 28 MiB in its place %zu KiB are", retained / KIB);
	block = resize(&handle, NULL, 0, 17 * MIB, 1);
	with_pages = arena_with_pages();
	ok(tally_read_all(&arena_counters.x_retained) == 0 && with_pages >= 28 * MIB,
	   "and a shorter one has them: %zu KiB", with_pages / KIB);
	option_parse(OPTION_RETAIN, "8M");
	arn_free(block);
	arn_heap_abandon(&handle);
	expect_nothing_left();
	no_errors("nothing is left");
}

/* ---- by pages -------------------------------------------------------------------------------- */

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static size_t resident(void)
{
	char text[64] = { 0 };
	unsigned long all = 0, here = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	if (!statm || !fgets(text, sizeof(text), statm))
		bail("/proc/self/statm");
	fclose(statm);
	sscanf(text, "%lu %lu", &all, &here);
	return here * os_page_size();
}

/* A sanitizer has memory of its own beside each page. */
#if defined(ARN_TSAN) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static bool counts_pages; /* what resident() and faults() say is about this process alone */

/* One row about pages, where they can be counted. */
#define pages_ok(condition, ...) \
	(counts_pages ? (void)ok(condition, __VA_ARGS__) : skip(1, "pages cannot be counted"))

static void test_growth(unsigned tag)
{
	size_t size = 17 * MIB, before = resident(), over = 0;
	long begun = faults(), pages;
	arn_heap handle;
	char *block;

	arn_heap_init(&handle, NULL, (enum arn_tag)tag);
	block = resize(&handle, NULL, 0, size, 1);
	for (; size < 150 * MIB; size += size / 8) {
		block = resize(&handle, block, size, size + size / 8, 1);
		over = max_size(over, resident() - before - size);
		expect(heap_is_valid(handle.heap));
	}
	pages = (long)(size / os_page_size());
	pages_ok(over < size / 4 && faults() - begun < pages * 3 / 2,
	         "tag %u: from 17 to %zu MiB: at most %zu MiB more than that is resident, %.2f "
	         "faults a "
	         "page",
	         tag, size / MIB, over / MIB, (double)(faults() - begun) / (double)pages);
	block = resize(&handle, block, size, size * 5 / 8, 1);
	pages_ok(resident() - before < size * 3 / 4,
	         "tag %u: shrunk, what it does not need is not resident", tag);
	block = resize(&handle, block, size * 5 / 8, 20 * MIB, 1);
	pages_ok(resident() - before < 24 * MIB, "tag %u: nor far shrunk", tag);
	ok(claimed() < 40 * MIB, "tag %u: far shrunk, nor claimed: %zu MiB", tag, claimed() / MIB);
	arn_free(block);
	arn_heap_abandon(&handle);
	expect_nothing_left();
	no_errors("tag %u: it is whole, and nothing is left", tag);
}

/* ---- readers, and those who are mapped in an arena's old place ------------------------------- */

/* Map something else at the old place, behind what a reader may look at. */
static char *settle_behind(char *block, size_t size)
{
	char *stranger = mmap(block + LARGE_KEPT, size - LARGE_KEPT, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	expect(stranger == block + LARGE_KEPT);
	mark(stranger, 0, size - LARGE_KEPT, 99);
	return stranger;
}

/* An address of the stranger's is not taken for one of the arena, which is not even looked at.  It
 * still is in the table while its block waits for readers; its head cannot be read meanwhile. */
static void expect_foreign(const char *block, char *stranger)
{
	void *head = arena_at(block);

	expect(mprotect(head, ARENA_HEAD * SLICE, PROT_NONE) == 0);
	ok(!pool_find(stranger) && !registry_has(stranger),
	   "a block behind an arena that has lost its pages is foreign");
	ok(!arn_try_free(stranger) && arn_usable_size(stranger) == 0, "also for free");
	expect(mprotect(head, ARENA_HEAD * SLICE, PROT_READ | PROT_WRITE) == 0);
}

static void test_stranger(unsigned tag, bool waits)
{
	size_t size = 40 * MIB;
	char *block, *moved, *stranger;
	const size_t *header;
	arn_heap handle;

	option_parse(OPTION_RETAIN, "1G"); /* arenas are not unmapped as soon as they are free */
	readers_are_done = !waits;
	arn_heap_init(&handle, arn_family_new(waits ? &provider : NULL), (enum arn_tag)tag);
	block = resize(&handle, NULL, 0, size, 7);
	header = (const size_t *)block;
	moved = resize(&handle, block, size, 2 * size, 7);
	expect(moved != block);
	stranger = settle_behind(block, size);
	if (waits && tag != ARN_TAG_MEM) {
		ok(*header == 7 || *header == 0,
		   "tag %u: a late reader finds the header as it was, or zeros", tag);
		expect_foreign(block, stranger);
	}
	arn_trim();
	moved = resize(&handle, moved, 2 * size, 4 * size, 7);
	arn_free(moved);
	readers_are_done = true;
	arn_free(resize(&handle, NULL, 0, size, 8));
	arn_heap_abandon(&handle);
	arn_trim();
	ok(is_marked(stranger, size - LARGE_KEPT, 99),
	   "tag %u: whoever is mapped in the old place is left alone", tag);
	munmap(stranger, size - LARGE_KEPT);
	option_parse(OPTION_RETAIN, "8M");
	expect_nothing_left();
	no_errors("tag %u: blocks are whole, and nothing is left", tag);
}

/* ---- the system refuses ---------------------------------------------------------------------- */

static int child_without_mremap(void)
{
	size_t size = 20 * MIB;
	arn_heap handle;
	char *block;

	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	atomic_store(&os_fail_move, 1);
	block = resize(&handle, NULL, 0, size, 5);
	for (unsigned i = 0; i < 3; i++, size *= 2)
		block = resize(&handle, block, size, 2 * size, 5);
	expect(heap_is_valid(handle.heap) && atomic_load(&os_fail_move) == 0);
	arn_free(block);
	arn_heap_abandon(&handle);
	expect_nothing_left();
	return core_clean() ? 0 : 1;
}

static void test_refusal(void)
{
	ok(status_of_child(child_without_mremap) == 0,
	   "where pages cannot be moved they are copied, and nothing is left");
}

/* ---- many threads ---------------------------------------------------------------------------- */

static _Atomic(size_t *) boxes[HELD];

/* A multiple of 8, so that no page begins with less than a word of a block. */
static size_t some_size(struct rng *rng)
{
	size_t size = rng_below(rng, 6) == 0 ? 17 * MIB + rng_below(rng, 60 * MIB)
	                                     : 70000 + rng_below(rng, 6 * MIB);

	return size & ~(size_t)7;
}

/* The size of a block is in its second word, because any thread may be the next to take it. */
static void churn(unsigned self)
{
	struct rng rng = rng_start(self);
	arn_heap handle;

	arn_heap_init(&handle, NULL, self % 2 ? ARN_TAG_MEM : ARN_TAG_OBJECT);
	for (long i = tap_scale(120); i > 0; i--) {
		size_t k = rng_below(&rng, HELD), size = some_size(&rng);
		size_t *block = atomic_exchange(&boxes[k], NULL);

		if (block && rng_below(&rng, 4) == 0) {
			arn_free(block);
			continue;
		}
		block = (size_t *)resize(&handle, (char *)block, block ? block[1] : 0, size, k);
		block[1] = size;
		block = atomic_exchange(&boxes[k], block);
		arn_free(block);
	}
	arn_heap_abandon(&handle);
}

static void test_threads(unsigned one_in)
{
	yield_start(tap_seed(), one_in);
	threads(WORKERS, churn);
	yield_start(0, 0);
	for (unsigned k = 0; k < HELD; k++)
		arn_free(atomic_exchange(&boxes[k], NULL));
	expect_nothing_left();
	no_errors(
		"a pause in %u steps: threads resize each other's blocks, and every block is whole",
		one_in);
}

int main(void)
{
	counts_pages = !SANITIZED && probe_own_proc();
	test_in_place(ARN_TAG_MEM);
	test_in_place(ARN_TAG_OBJECT);
	test_neighbour();
	test_limit();
	test_tail();
	test_growth(ARN_TAG_MEM);
	test_growth(ARN_TAG_OBJECT);
	test_stranger(ARN_TAG_MEM, false);
	test_stranger(ARN_TAG_MEM, true);
	test_stranger(ARN_TAG_OBJECT, true);
	test_refusal();
	test_threads(20);
	return done();
}
