/* SPDX-License-Identifier: MIT
 *
 * cell - option GUARD: where a block lies, what is around it, how long it stays in quarantine, that
 * threads which make and free at the same time lose no cell and share none, and that one thread
 * that stands still anywhere holds up no other one.
 */
#include "support/core.h"

#include "api/guarded.h"
#include "arena/budget.h"
#include "heap/cell.h"
#include "heap/family.h"
#include "os/os.h"

#include <arenite/arenite.h>
#include <sys/mman.h>

enum { WORKERS = 4, BOXES = 32, ROUNDS = 1500, TWICE = 400 };

static struct heap heap; /* stands for one of any thread: family, tag and row are used */
static const struct cell_event nobody = { 0, 0, 1 };

static void *make(size_t size, size_t alignment)
{
	return cell_malloc(&heap, size, alignment, &nobody, 1);
}

static enum cell_misuse give(void *block, size_t *distance)
{
	return cell_free(arena_pool_at(block), block, &nobody, distance);
}

static void drop(void *block)
{
	size_t distance;

	expect(give(block, &distance) == CELL_FINE);
}

static size_t live(void)
{
	struct cell_count count;

	cell_count(ARN_TAG_MEM, &count);
	return count.live_blocks;
}

/* ---- one block ------------------------------------------------------------------------------- */

/* Can the process read there?  The kernel answers, and nothing faults. */
static bool is_readable(const void *address)
{
	static int file = -1;

	if (file < 0)
		file = memfd_create("read", 0);
	return pwrite(file, address, 1, 0) == 1;
}

static bool lies_well(size_t size, size_t alignment)
{
	char *block = make(size, alignment), *end;
	bool well;

	if (!block)
		return false;
	end = block + align_up(max_size(size, 1), alignment);
	well = (uintptr_t)block % alignment == 0 && (uintptr_t)end % SLICE == 0 &&
	       !is_readable(end) && is_readable(block) &&
	       !is_readable(block - (uintptr_t)block % os_page_size() - 1);
	memset(block, 1, size);
	drop(block);
	return well && !is_readable(block);
}

static void test_place(void)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 4096, 4097, 65535, 65536 };
	static const size_t alignments[] = { 16, 64, 4096, 32768 };
	unsigned bad = 0;

	for (unsigned i = 0; i < array_length(sizes); i++)
		for (unsigned k = 0; k < array_length(alignments); k++)
			if (cell_fits(sizes[i], alignments[k]))
				bad += !lies_well(sizes[i], alignments[k]);
	ok(bad == 0, "blocks end where the access ends, and are gone when they are freed");
	ok(!cell_fits(SLICE + 1, 16) && !cell_fits(16, 2 * SLICE) && !cell_fits(16, 0),
	   "some sizes and alignments have no cell");
	no_errors("and are freed without complaint");
}

static void test_around(void)
{
	size_t distance;
	char *block = make(100, 16);

	block[104] = 1;
	ok(give(block, &distance) == CELL_WRITTEN_BEHIND && distance == 5,
	   "a byte behind the end is found");
	block = make(100, 16);
	block[-7] = 1;
	ok(give(block, &distance) == CELL_WRITTEN_BEFORE && distance == 7,
	   "a byte before the beginning is found");
	block = make(100, 16);
	ok(give(block + 3, &distance) == CELL_NOT_START && distance == 3, "not the beginning");
	drop(block);
	ok(give(block, &distance) == CELL_FREED_TWICE, "freed twice");
	no_errors("the rest is fine");
}

static void test_look(void)
{
	char *block = make(100, 16), on_stack;
	struct cell_view view;

	ok(cell_look(block + 112, &view) && view.block == block && view.state == CELL_LIVE &&
	           view.size == 100,
	   "an address behind a block leads to it");
	ok(cell_look(block - 20000, &view) && view.block == block, "and one before it");
	ok(cell_look(block + SLICE / 2, &view) && view.block == block, "half of a slice behind it");
	drop(block);
	ok(cell_look(block, &view) && view.block == block && view.state == CELL_FREED &&
	           view.freed.thread == 1,
	   "a freed one is known");
	ok(!cell_look(&on_stack, &view) && !cell_look(NULL, &view), "other addresses are not");
}

static void test_quarantine(void)
{
	char *first = make(100, 16), *block = NULL;
	unsigned n;

	drop(first);
	for (n = 0; n < 4 * CELL_QUARANTINE && block != first; n++) {
		block = make(100, 16);
		drop(block);
	}
	ok(block == first && n >= CELL_QUARANTINE, "a cell is used again after %u frees", n);
	no_errors("all of them fine");
}

/* ---- failures -------------------------------------------------------------------------------- */

static void test_failures(void)
{
	size_t refusals = cell_refusals(), before = live();
	char *block;

	atomic_store(&os_fail_protect, 1);
	ok(!make(100, 16) && cell_refusals() == refusals + 1 && live() == before,
	   "a page that cannot be had: no block, and it is counted");
	block = make(100, 16);
	atomic_store(&os_fail_protect, 1);
	drop(block);
	ok(cell_refusals() == refusals + 2 && live() == before,
	   "a page that cannot be protected: the block is freed, and that is counted");
	budget_set_limit(1);
	ok(!make(100, 16), "option LIMIT holds");
	budget_set_limit(0);
	no_errors("nothing was wrong with these");
}

/* ---- many threads ---------------------------------------------------------------------------- */

static _Atomic(size_t *) boxes[BOXES];

static size_t *make_stamped(void)
{
	size_t *block = make(48, 16);

	if (block) {
		expect(block[0] == 0);
		block[0] = (size_t)block;
	}
	return block;
}

static void drop_stamped(size_t *block)
{
	if (!block)
		return;
	expect(block[0] == (size_t)block);
	block[0] = 0;
	drop(block);
}

/* Blocks go from thread to thread. */
static void work(unsigned self)
{
	struct rng rng = rng_start(self);

	for (unsigned i = 0; i < ROUNDS; i++) {
		_Atomic(size_t *) *box = &boxes[rng_below(&rng, BOXES)];

		drop_stamped(atomic_exchange(box, make_stamped()));
	}
}

static void test_threads(void)
{
	size_t before = live();

	yield_start(tap_seed(), 50);
	threads(WORKERS, work);
	yield_start(0, 0);
	for (unsigned i = 0; i < BOXES; i++)
		drop_stamped(atomic_exchange(&boxes[i], NULL));
	no_errors("threads make and free blocks, and no two have the same");
	ok(live() == before, "and none is lost");
}

/* All cells that were ever used, but those in quarantine, can be had again, each once. */
static void test_all_there(void)
{
	enum { MOST = CELLS * 2 };
	static char *block[MOST];
	unsigned n = 0, twice = 0;
	struct arena_totals before, after;

	arena_totals(&before);
	do {
		block[n] = make(16, 16);
		arena_totals(&after);
	} while (block[n] && after.arenas == before.arenas && ++n < MOST - 1);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < i; k++)
			twice += block[i] == block[k];
	ok(twice == 0 && n >= CELLS - CELL_QUARANTINE - 2 && n <= CELLS,
	   "%u of %u cells can be had, and 64 are in quarantine", n, CELLS);
	for (unsigned i = 0; i < n + (block[n] != NULL); i++)
		drop(block[i]);
	no_errors("all of them good");
}

/* ---- twice at the same time ------------------------------------------------------------------ */

static _Atomic(char *) x_shared;
static _Atomic unsigned x_fine;

static void free_shared(unsigned self)
{
	for (unsigned i = 0; i < TWICE; i++) {
		size_t distance;

		if (self == 0)
			atomic_store(&x_shared, make(32, 16));
		barrier();
		if (give(atomic_load(&x_shared), &distance) == CELL_FINE)
			atomic_fetch_add(&x_fine, 1);
		barrier();
	}
}

static void test_twice(void)
{
	yield_start(tap_seed(), 2);
	threads(2, free_shared);
	yield_start(0, 0);
	ok(atomic_load(&x_fine) == TWICE, "of two threads that free a block, one is told: %u of %u",
	   atomic_load(&x_fine), TWICE);
}

/* ---- one that stands still ------------------------------------------------------------------- */

static void *one_block(void *arg)
{
	drop(make(100, 16));
	return arg;
}

static void others_go_on(const char *where)
{
	size_t before = live();
	pthread_t thread = yield_stop(where, one_block, NULL);

	threads(WORKERS, work);
	for (unsigned i = 0; i < BOXES; i++)
		drop_stamped(atomic_exchange(&boxes[i], NULL));
	ok(live() <= before + 1, "%s: others go on beside one that stands still", where);
	yield_resume(thread);
	ok(live() == before, "%s: and it goes on as well", where);
}

static void test_stopped(void)
{
	others_go_on("cell_malloc");
	others_go_on("cell_free");
	others_go_on("cell_quarantine");
	no_errors("all blocks were right");
}

/* ---- forks ----------------------------------------------------------------------------------- */

static void *parents_block;

static int in_child(void)
{
	drop_stamped(parents_block);
	for (unsigned i = 0; i < 2 * CELLS; i++)
		drop_stamped(make_stamped());
	return core_clean() ? 0 : 1;
}

static void test_fork(void)
{
	parents_block = make_stamped();
	ok(status_of_child(in_child) == 0, "the child of a fork frees, and makes its own");
	drop_stamped(parents_block);
	no_errors("the parent still has its block");
}

/* ---- as users see it ------------------------------------------------------------------------- */

struct found {
	void *wanted;
	unsigned n;
};

static bool find(const arn_heap *handle, const struct arn_area *area, void *block, size_t size,
                 void *arg)
{
	struct found *found = arg;

	(void)handle;
	found->n += block && block == found->wanted && size == 100 && area->block_size == 100;
	return true;
}

static void test_users(void)
{
	struct arn_stats before, after;
	struct arn_resident resident;
	struct found found = { 0 };
	char *block, *moved;

	arn_stats_read(&before, sizeof(before));
	block = arn_mem_malloc(100);
	arn_stats_read(&after, sizeof(after));
	ok(cell_is(arena_pool_at(block)) && arn_usable_size(block) == 100 &&
	           arn_tag_of(block) == ARN_TAG_MEM,
	   "a block of 100 bytes has 100 bytes");
	ok(after.tag[ARN_TAG_MEM].live_blocks == before.tag[ARN_TAG_MEM].live_blocks + 1 &&
	           after.tag[ARN_TAG_MEM].live_bytes == before.tag[ARN_TAG_MEM].live_bytes + 100 &&
	           after.guarded_blocks == before.guarded_blocks + 1,
	   "the statistics have it");
	found.wanted = block;
	arn_family_visit_orphans(NULL, ARN_TAG_MEM, true, find, &found);
	ok(found.n == 1, "a walk finds it once");
	arn_stats_resident(&resident, sizeof(resident));
	ok(resident.total == resident.live + resident.cached + resident.remote + resident.waiting +
	                             resident.retired + resident.pinned + resident.retained +
	                             resident.metadata &&
	           resident.live >= 100 && resident.pinned >= os_page_size() - 100,
	   "what is resident sums up");
	memset(block, 7, 100);
	moved = arn_mem_realloc(block, 90);
	ok(moved != block && !is_readable(block) && moved[89] == 7, "realloc moves it");
	arn_free(moved);
	block = arn_mem_calloc(10, 10);
	ok(block[0] == 0 && block[99] == 0, "calloc clears it");
	arn_free(block);
	block = arn_mem_malloc(SLICE + 1);
	ok(!cell_is(arena_pool_at(block)), "a large one has no cell");
	arn_free(block);
}

/* Of many blocks the part that N says is guarded: 4 standard deviations are allowed. */
static void test_part(arn_heap_malloc_fn *fn, const char *which)
{
	enum { BLOCKS = 400000, N = 100 };
	struct arn_stats before, after;
	size_t guarded;
	arn_heap handle;

	option_values[OPTION_GUARD] = N;
	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	arn_stats_read(&before, sizeof(before));
	for (unsigned i = 0; i < BLOCKS; i++)
		arn_free(fn(&handle, 16 + i % 2000));
	arn_stats_read(&after, sizeof(after));
	arn_heap_abandon(&handle);
	guarded = after.guarded_blocks - before.guarded_blocks;
	ok(guarded > 4000 - 256 && guarded < 4000 + 256, "of 400000 blocks one in 100: %zu%s",
	   guarded, which);
	option_values[OPTION_GUARD] = 1;
}

int main(void)
{
	option_values[OPTION_GUARD] = 1;
	heap_init(&heap, family_default(), ARN_TAG_MEM);
	cell_init();
	test_place();
	test_around();
	test_look();
	test_quarantine();
	test_failures();
	test_threads();
	test_all_there();
	test_twice();
	test_stopped();
	test_fork();
	test_users();
	test_part(arn_heap_malloc, "");
	test_part(arn_heap_malloc_entry(), ", by the function that counts blocks");
	return done();
}
