/* SPDX-License-Identifier: MIT
 *
 * below.h - what the models have in the place of the layers below and beside a protocol: one arena
 * whose slices are handed out from a table, a panic that is a failure of the model, and functions
 * that do nothing.
 */
#ifndef ARN_T_MODEL_BELOW_H
#define ARN_T_MODEL_BELOW_H

#include "api/guarded.h"
#include "api/alloc-metered.h"
#include "heap/sample.h"
#include "arena/arena.h"
#include "heap/cache.h"
#include "heap/guard.h"
#include "heap/heap.h"
#include "heap/end.h"
#include "heap/family.h"
#include "heap/trim-heap.h"
#include "heap/large.h"
#include "heap/empty.h"
#include "heap/limbo.h"
#include "heap/queued.h"
#include "heap/wait.h"
#include "arena/meta.h"
#include "base/option.h"
#include "os/os.h"
#include "base/panic.h"
#include "base/text.h"
#include "api/process.h"
#include "arena/supply.h"
#include "os/raw.h"
#include "arena/reclaim.h"
#include "arena/registry.h"
#include "heap/remote.h"
#include "arena/retain.h"
#include "arena/supply.h"
#include "heap/sweep.h"
#include "heap/tend.h"
#include "heap/thread.h"

#include <string.h>
#include <sys/mman.h>

enum { BELOW_SLICES = 4 };

static struct arena *below_arena; /* nobody writes to its blocks: only the head is ever resident */
static _Atomic bool below_claimed[BELOW_SLICES];
static unsigned below_released; /* pools that have left */

/* Make everything in the arena's head as new. */
static void below_set_up(void)
{
	if (!below_arena)
		below_arena = arena_at((char *)mmap(NULL, 2 * ARENA_SIZE, PROT_READ | PROT_WRITE,
		                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		                                    0) +
		                       ARENA_SIZE - 1);
	memset(&below_arena->pool[ARENA_HEAD], 0, BELOW_SLICES * sizeof(struct pool));
	memset(&below_arena->bits[ARENA_HEAD], 0, BELOW_SLICES * sizeof(struct pool_bits));
	memset(&below_arena->queue[ARENA_HEAD], 0, BELOW_SLICES * sizeof(struct queue_entry));
	for (unsigned kind = 0; kind < REMOTE_KINDS; kind++)
		memset(&below_arena->x_remote[kind][ARENA_HEAD], 0,
		       BELOW_SLICES * sizeof(below_arena->x_remote[kind][0]));
	memset(below_claimed, 0, sizeof(below_claimed));
	below_released = 0;
}

bool supply_claim(size_t slices, struct run *run)
{
	for (unsigned i = 0; i < BELOW_SLICES; i++) {
		bool claimed = false;

		if (slices != 1 || !cas_acquire(&below_claimed[i], &claimed, true)) /* as A1 */
			continue;
		*run = (struct run){
			.arena = below_arena, .first = ARENA_HEAD + i, .slices = 1, .clean = 1
		};
		return true;
	}
	return false;
}

/*
 * A pool that leaves has no bits and is in no list; each model has a function is_queued of its own
 * for that.  x_queued itself may be set for a moment by a free that was overtaken and will find no
 * bits.
 */
static bool is_queued(const struct pool *pool);

void supply_release(struct arena *arena, unsigned first, size_t slices, size_t dirty)
{
	(void)slices, (void)dirty;
	explore_check(atomic_load(&below_claimed[first - ARENA_HEAD]));
	explore_check(!is_queued(&arena->pool[first]));
	for (unsigned i = 0; i < REMOTE_KINDS * POOL_WORDS; i++)
		explore_check(
			atomic_load(&arena->x_remote[i / POOL_WORDS][first][i % POOL_WORDS]) == 0);
	below_released++;
	store_release(&below_claimed[first - ARENA_HEAD], false); /* as A1 */
}

uintptr_t owner_draw(void)
{
	return owner_self();
}

void owner_forget(void)
{
}

void owner_use_range(struct owner_range *range)
{
	(void)range;
}

void reclaim_join(struct reader **place)
{
	(void)place;
}

void reclaim_part(struct reader **place)
{
	(void)place;
}

struct arena_counters arena_counters;
size_t option_values[OPTIONS];
_Atomic uint8_t registry_bytes[(size_t)1 << (ADDRESS_BITS - ARENA_SHIFT)];

bool heap_is_idle(struct heap *heap, unsigned least)
{
	(void)heap, (void)least;
	return true;
}

bool retain_is_exceeded(size_t more)
{
	return more == SIZE_MAX;
}

size_t os_page_size(void)
{
	return PAGE_MIN;
}

int os_purge(void *address, size_t size)
{
	(void)address, (void)size;
	return 0;
}

void retain_note_fault(size_t bytes)
{
	(void)bytes;
}

bool retain_note_claim(size_t bytes)
{
	return bytes == SIZE_MAX;
}

/* No pool waits, and no heap has a stock: pools that fall empty are released at once.  pool_release
 * is weak because not all models include pool.c. */
void pool_release(struct pool *pool, bool resident) __attribute__((weak));

void empty_add(struct heap *heap, struct pool *pool)
{
	(void)heap;
	pool_release(pool, true);
}

struct pool *empty_take(struct heap *heap, unsigned cls, size_t slices)
{
	(void)heap, (void)cls, (void)slices;
	return NULL;
}

void empty_make_room(struct heap *heap, size_t growth)
{
	(void)heap, (void)growth;
}

void empty_poll(struct heap *heap)
{
	(void)heap;
}

void wait_hand_over(struct heap *heap)
{
	(void)heap;
}

void limbo_poll_all(arn_family *family, bool stopped)
{
	(void)family, (void)stopped;
}

bool trim_for_limit(struct heap *heap, size_t size)
{
	(void)heap, (void)size;
	return false;
}

bool supply_admits_bounded(size_t bytes)
{
	return bytes != SIZE_MAX;
}

size_t sweep_resident(const struct pool *pool)
{
	return pool_span(pool);
}

unsigned sweep_admitted_by_limit(const struct pool *pool, unsigned want)
{
	(void)pool;
	return want;
}

#ifndef BELOW_WITHOUT_TRIM
size_t heap_trim(struct heap *heap)
{
	(void)heap;
	return 0;
}
#endif

void reclaim_enter(void)
{
}

void reclaim_exit(void)
{
}

_Noreturn void panic_block(const char *what, const void *block, const void *caller)
{
	(void)block, (void)caller;
	explore_fail(what, "panic_block", 0);
}

_Noreturn void panic_broken(const char *what, const char *file, int line)
{
	explore_fail(what, file, line);
}

/* Nothing is swept in the models: no page goes back. */
void sweep_given(struct heap *heap, struct pool *pool, unsigned n)
{
	(void)heap, (void)pool, (void)n;
}

void sweep_taken(struct heap *heap, struct pool *pool, unsigned n, const void *low,
                 const void *high)
{
	(void)heap, (void)pool, (void)n, (void)low, (void)high;
}

void sweep_mark_clean(struct pool *pool)
{
	(void)pool;
}

void sweep_note_tail(const struct pool *pool, size_t tail_before)
{
	(void)pool, (void)tail_before;
}

void sweep_mark_resident(struct pool *pool)
{
	(void)pool;
}

void tend_family(struct heap *self)
{
	(void)self;
}

void sweep_freed(struct pool *pool, const uint64_t *others)
{
	(void)pool, (void)others;
}

void sweep_whole(struct pool *pool)
{
	(void)pool;
}

bool stock_take(struct heap *heap, size_t slices, bool loose, struct run *run)
{
	(void)heap, (void)slices, (void)loose, (void)run;
	return false;
}

void stock_rest(struct heap *heap)
{
	(void)heap;
}

void sweep_forget(struct heap *heap, struct pool *pool)
{
	(void)heap, (void)pool;
}

void sweep_enforce(struct heap *heap)
{
	(void)heap;
}

size_t sweep_all(struct heap *heap)
{
	(void)heap;
	return 0;
}

bool sweep_is_valid(const struct heap *heap)
{
	return heap != NULL;
}

/* No heap has a meter here, and no block is a sample. */
void sample_attach(struct heap *heap)
{
	(void)heap;
}

void *metered_malloc(arn_heap *handle, size_t size, size_t alignment)
{
	(void)handle, (void)size, (void)alignment;
	return NULL;
}

void metered_free(struct pool *pool, void *block)
{
	(void)pool, (void)block;
}

void guarded_free(const struct pool *pool, void *block)
{
	(void)pool, (void)block;
}

void metered_resize(struct heap *heap, struct pool *pool, void *block, size_t old_size, size_t size)
{
	(void)heap, (void)pool, (void)block, (void)old_size, (void)size;
}

void metered_resize_small(const void *block, size_t size)
{
	(void)block, (void)size;
}

static void below_clear_heap(struct heap *heap)
{
	memset(heap, 0, sizeof(*heap));
}

#endif
