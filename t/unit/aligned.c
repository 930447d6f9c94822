/* SPDX-License-Identifier: MIT
 *
 * aligned - blocks that begin at a multiple of what was asked for: they lie so, do not overlap,
 * grow and go as other blocks do, and leave no slice behind.
 */
#include "support/core.h"
#include "support/arenas.h"

#include "api/alloc.h"
#include "api/process.h"
#include "arena/budget.h"
#include "arena/reclaim.h"
#include "base/option.h"
#include "arena/pool.h"
#include "heap/cache.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>

enum { HELD = 64, WORKERS = 3 };
#define MOST (8 * MIB)

static bool is_aligned(const void *block, size_t alignment)
{
	return block && (uintptr_t)block % alignment == 0;
}

/* Every alignment with sizes around it; the block is whole, and its neighbours are others'. */
static void each_alignment(void)
{
	static const size_t factors[] = { 0, 1, 3, 4, 5, 8, 12, 13 }; /* of a quarter */
	bool right = true;

	for (size_t alignment = 1; alignment <= MOST; alignment *= 2) {
		for (size_t i = 0; i < array_length(factors); i++) {
			size_t size = alignment * factors[i] / 4 + i % 3;
			void *block;

			block = names_aligned(size, alignment);
			right = right && is_aligned(block, alignment) &&
			        arn_usable_size(block) >= size;
			memset(block, 0x5a, size);
			arn_free(block);
		}
	}
	ok(right, "each alignment up to 8 MiB, with sizes around it");
}

/* A class that is rarely used takes a block of the next one, where that has room: these are not
 * all aligned. */
static void rare_classes(void)
{
	void *larger[3], *block;
	bool right = true;

	for (size_t alignment = 32; alignment <= 1 * KIB; alignment *= 2) {
		for (unsigned i = 0; i < 3; i++)
			larger[i] = arn_mem_malloc(alignment + alignment / 8 + 16);
		block = names_aligned(alignment, alignment);
		right = right && is_aligned(block, alignment);
		arn_free(block);
		for (unsigned i = 0; i < 3; i++)
			arn_free(larger[i]);
	}
	ok(right, "a block of another class serves only if it is aligned");
}

/* What there is no address space for is NULL, and nothing is claimed. */
static void impossible(void)
{
	size_t before = tally_read_all(&arena_counters.x_claimed);

	errno = 0;
	ok(!names_aligned(1, (size_t)1 << (ADDRESS_BITS - 1)) && errno == ENOMEM,
	   "no block at half of all");
	errno = 0;
	ok(!names_aligned(PTRDIFF_MAX, (size_t)1 << 63) && errno == ENOMEM, "nor at the end");
	errno = 0;
	ok(!names_aligned(SIZE_MAX - 4096, 4096) && errno == ENOMEM, "and none above PTRDIFF_MAX");
	errno = 0;
	ok(!names_aligned(SIZE_MAX - 4096, 1 * MIB) && errno == ENOMEM, "however it is to lie");
	ok(tally_read_all(&arena_counters.x_claimed) == before, "nothing was claimed for them");
}

static void huge(void)
{
	char *block = names_aligned(40 * MIB, 512 * KIB);

	ok(is_aligned(block, 512 * KIB) && arn_usable_size(block) >= 40 * MIB,
	   "a huge block at half a MiB");
	block[40 * MIB - 1] = 1;
	arn_free(block);
}

/* A block that lies where another arena's head would: it is found by its address, and by no other
 * in its body, and when it is free nothing is there any more. */
static bool lies_far(size_t size, size_t alignment)
{
	char *block = names_aligned(size, alignment);
	bool right = is_aligned(block, alignment) && arn_usable_size(block) >= size;

	right = right && pool_find(block) && !pool_find(block + 4096) && !registry_has(block) &&
	        arn_usable_size(block + 4096) == 0 && arn_tag_of(block) == ARN_TAG_MEM;
	block[0] = block[size - 1] = 1;
	arn_free(block);
	return right && !pool_find(block) && arn_usable_size(block) == 0;
}

static void far(void)
{
	bool right = true;

	for (size_t alignment = 32 * MIB; alignment <= 2048 * MIB; alignment *= 2)
		right = right && lies_far(100, alignment) && lies_far(9 * MIB, alignment);
	ok(right, "every alignment from 32 MiB to 2 GiB");
	ok(lies_far(9 * MIB, 16 * MIB), "and 16 MiB, for which an arena has no room");
	ok(lies_far(40 * MIB, 1 * MIB) && lies_far(70 * MIB, 64 * MIB), "and of huge blocks");
	arn_trim();
	expect_no_arenas();
	no_errors("nothing is left of them");
}

static void *free_it(void *block)
{
	ok(arn_try_free(block), "another thread frees such a block");
	return NULL;
}

/* Such a block is resized, moved by another size, and freed by another thread, as any other. */
static void far_as_others(void)
{
	char *block = names_aligned(20 * MIB, 32 * MIB), *moved;
	pthread_t thread;

	memset(block, 3, 20 * MIB);
	moved = arn_mem_realloc(block, 25 * MIB);
	ok(moved == block, "it grows in its arena");
	moved = arn_mem_realloc(block, 100 * MIB);
	ok(moved && moved[0] == 3 && moved[20 * MIB - 1] == 3, "and moves when that is full");
	arn_mem_free(moved);
	block = names_aligned(100, 64 * MIB);
	pthread_create(&thread, NULL, free_it, block);
	pthread_join(thread, NULL);
	budget_set_limit(8 * MIB);
	ok(!names_aligned(9 * MIB, 32 * MIB), "option LIMIT holds for it");
	budget_set_limit(0);
}

static size_t mapped(void)
{
	return load_relaxed(&arena_counters.x_mapped);
}

/* Leaves a free arena of 96 MiB or more behind, since so much may be kept. */
static size_t leave_free_arena(void)
{
	option_parse(OPTION_RETAIN, "1G");
	arn_mem_free(arn_mem_malloc(96 * MIB));
	option_parse(OPTION_RETAIN, "8M");
	expect(arena_find_free(0) != ARENAS_MAX);
	return mapped();
}

/* The system has no address space at first: what free arenas have is given up for it, if that may
 * help.  A request for more than they have leaves them alone. */
static void far_without_space(void)
{
	size_t before = leave_free_arena();
	void *block;

	atomic_store(&os_fail_map, 1);
	block = names_aligned(100, 32 * MIB);
	ok(block && mapped() < before, "one more try after arenas were unmapped");
	arn_free(block);
	arn_trim();
	before = leave_free_arena();
	atomic_store(&os_fail_on, true);
	atomic_store(&os_fail_map, 1);
	block = names_aligned(100, 4096 * MIB);
	atomic_store(&os_fail_map, 0);
	atomic_store(&os_fail_on, false);
	ok(!block && mapped() == before, "no free arena is unmapped in vain: %zu of %zu MiB",
	   mapped() / MIB, before / MIB);
}

/* Slices around an aligned run are free again: many runs with large alignments need no more arenas
 * than their sizes do. */
static void no_waste(void)
{
	void *block[HELD];
	size_t before = tally_read_all(&arena_counters.x_claimed), used;

	for (unsigned i = 0; i < HELD; i++)
		block[i] = names_aligned(100 * KIB, 256 * KIB);
	used = tally_read_all(&arena_counters.x_claimed) - before;
	ok(used <= HELD * 128 * KIB, "an aligned run keeps only its own slices: %zu KiB for %d",
	   used / KIB, HELD);
	for (unsigned i = 0; i < HELD; i++)
		arn_free(block[i]);
}

/* What a request takes: the least class that lies so, or as many slices as it needs.  The heap has
 * no pool from before, so no block of another class serves. */
static void table(void)
{
	static const struct {
		size_t alignment, size, usable, claimed; /* bytes; claimed: beyond a slice */
	} rows[] = {
		{ 32, 100, 128, 0 },
		{ 64, 100, 128, 0 },
		{ 64, 130, 192, 0 },
		{ 64, 1100, 1152, 0 },
		{ 128, 1100, 1152, 0 },
		{ 256, 2100, 2304, 0 },
		{ 512, 100, 512, 0 },
		{ 1024, 4100, 5120, 0 },
		{ 4096, 1, 4096, 0 },
		{ 4096, 8200, 12288, 0 },
		{ 4096, 25000, 28672, 0 },
		{ 8192, 16385, 24576, 0 },
		{ 64 * KIB, 100, 64 * KIB, 0 },
		{ 128 * KIB, 100, 64 * KIB, 64 * KIB },
		{ 128 * KIB, 64 * KIB, 64 * KIB, 64 * KIB },
		{ 256 * KIB, 1100 * KIB, 1152 * KIB, 1152 * KIB },
		{ 1 * MIB, 5 * MIB + 1, 5 * MIB + 64 * KIB, 5 * MIB + 64 * KIB },
		{ 2 * MIB, 9 * MIB, 9 * MIB, 9 * MIB },
	};

	arn_heap handle;

	arn_heap_init(&handle, arn_family_new(NULL), ARN_TAG_MEM);
	for (size_t i = 0; i < array_length(rows); i++) {
		size_t before = tally_read_all(&arena_counters.x_claimed), claimed;
		void *block = malloc_aligned(&handle, rows[i].size, rows[i].alignment);

		claimed = tally_read_all(&arena_counters.x_claimed) - before;
		expect(is_aligned(block, rows[i].alignment));
		ok(arn_usable_size(block) == rows[i].usable &&
		           (rows[i].claimed == 0 || claimed == rows[i].claimed),
		   "%zu bytes at %zu: a block of %zu, %zu KiB claimed", rows[i].size,
		   rows[i].alignment, arn_usable_size(block), claimed / KIB);
		arn_free(block);
	}
	arn_heap_abandon(&handle);
}

static void resized(void)
{
	char *block = names_aligned(4096, 4096), *moved;

	memset(block, 7, 4096);
	moved = arn_mem_realloc(block, 300 * KIB);
	ok(moved && moved[0] == 7 && moved[4095] == 7, "an aligned block grows as others do");
	arn_mem_free(moved);
	block = names_aligned(300 * KIB, 1 * MIB);
	memset(block, 8, 300 * KIB);
	moved = arn_mem_realloc(block, 2 * MIB);
	ok(moved && moved[0] == 8 && moved[300 * KIB - 1] == 8, "a large one, too");
	arn_mem_free(moved);
}

/* With option LIMIT a block counts with its own slices, and what is not admitted is NULL. */
static void limited(void)
{
	void *block[HELD];
	unsigned n = 0;

	arn_trim();
	budget_set_limit(8 * MIB);
	while (n < HELD && (block[n] = names_aligned(200 * KIB, 256 * KIB)) != NULL)
		n++;
	ok(n > 8 && n < HELD, "option LIMIT ends it at %u blocks of 256 KiB", n);
	while (n > 0)
		arn_free(block[--n]);
	budget_set_limit(0);
}

/* A block of the small class is in the heap's cache, until the heap is trimmed. */
static void fill_cache(arn_heap *handle)
{
	void *block[20];

	for (unsigned i = 0; i < array_length(block); i++)
		block[i] = arn_heap_malloc(handle, 100);
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
}

/* What is claimed to find the place of a block, and is free again at once, does not count against
 * the limit: 6 MiB at a multiple of 8 MiB are looked for among 14 MiB. */
static void padded_limited(void)
{
	unsigned made = 0, trims = 0;
	arn_heap handle;

	arn_trim();
	arn_heap_init(&handle, arn_family_new(NULL), ARN_TAG_MEM);
	budget_set_limit(12 * MIB);
	for (unsigned i = 0; i < 10; i++) {
		void *block;

		fill_cache(&handle);
		block = malloc_aligned(&handle, 6 * MIB, 8 * MIB);
		made += is_aligned(block, 8 * MIB);
		trims += cache_count(handle.heap, (unsigned)sizeclass_of(100)) == 0;
		arn_free(block);
	}
	ok(made == 10 && trims == 0,
	   "what a block is looked for in may be more: %u of 10, %u trims", made, trims);
	budget_set_limit(0);
	arn_heap_abandon(&handle);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

static _Atomic(void *) x_exchange[WORKERS * 8];

/* A block that was left by any thread, freed by this one; the sizes and alignments are mixed. */
static void work(unsigned self)
{
	struct rng rng = rng_start(self);

	for (long i = tap_scale(20000); i > 0; i--) {
		size_t alignment = (size_t)1 << rng_below(&rng, rng_below(&rng, 32) ? 14 : 21);
		size_t size = rng_below(&rng, rng_below(&rng, 64) ? 5000 : 200 * KIB);
		char *block = names_aligned(size, alignment);
		_Atomic(void *) *x_place;

		expect(is_aligned(block, alignment) && arn_usable_size(block) >= size);
		if (size)
			block[0] = block[size - 1] = 1;
		x_place = &x_exchange[rng_below(&rng, array_length(x_exchange))];
		arn_free(exchange_acq_rel(x_place, (void *)block));
	}
}

static void exchanged(void)
{
	threads(WORKERS, work);
	for (size_t i = 0; i < array_length(x_exchange); i++)
		arn_free(exchange_acq_rel(&x_exchange[i], NULL));
	no_errors("threads that exchange aligned blocks");
}

int main(void)
{
	process_serve_malloc(true); /* names_aligned is of the libc names */
	rare_classes();             /* before any class is in use */
	each_alignment();
	impossible();
	huge();
	far();
	far_as_others();
	far_without_space();
	no_waste();
	table();
	resized();
	limited();
	padded_limited();
	exchanged();
	arn_trim();
	expect_no_arenas();
	no_errors("nothing is left");
	return done();
}
