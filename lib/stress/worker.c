/* SPDX-License-Identifier: MIT
 *
 * worker.c - what a thread of the stress tool does with its items, and how it begins and ends.
 *
 * A thread runs a random number of steps.  Each makes, resizes or frees the block of one item, or
 * exchanges the item for one of the shared array; so blocks are freed by other threads than those
 * that made them, in all states of their heaps.
 */
#include <stdlib.h>

#include "stress/stress.h"

/* ---- operations on one item, by the thread that holds it ------------------------------------- */

/*
 * Sizes as Python asks for them: mostly small ones, and now and then one that is larger than any
 * pool of a size class.
 */
static size_t random_size(struct stress_worker *worker)
{
	uint64_t r = stress_random(&worker->random);
	unsigned percent = r % 1000;
	size_t n = (size_t)(r >> 20);

	if (percent < 700)
		return n % 257;
	if (percent < 920)
		return n % 1025;
	if (percent < 980)
		return n % (16 * KIB);
	return percent < 998 ? n % (256 * KIB) : n % (4 * MIB);
}

/* The handle for a kind that has one. */
static arn_heap *handle_of(struct stress_worker *worker, unsigned kind)
{
	return kind == KIND_NEW ? worker->extra : &worker->heap[kind];
}

static void *block_malloc(struct stress_worker *worker, unsigned kind, size_t size)
{
	switch (kind) {
	case KIND_MEM:
		return arn_mem_malloc(size);
	case KIND_OBJ:
		return arn_obj_malloc(size);
	case KIND_RAW:
		return arn_raw_malloc(size);
	default:
		return arn_heap_malloc(handle_of(worker, kind), size);
	}
}

static void *block_calloc(struct stress_worker *worker, unsigned kind, size_t size)
{
	switch (kind) {
	case KIND_MEM:
		return arn_mem_calloc(1, size);
	case KIND_OBJ:
		return arn_obj_calloc(size, 1);
	case KIND_RAW:
		return arn_raw_calloc(1, size);
	default:
		return arn_heap_calloc(handle_of(worker, kind), 1, size);
	}
}

static void *block_realloc(struct stress_worker *worker, unsigned kind, void *block, size_t size)
{
	switch (kind) {
	case KIND_MEM:
		return arn_mem_realloc(block, size);
	case KIND_OBJ:
		return arn_obj_realloc(block, size);
	case KIND_RAW:
		return arn_raw_realloc(block, size);
	default:
		return arn_heap_realloc(handle_of(worker, kind), block, size);
	}
}

static void block_free(unsigned kind, void *block)
{
	switch (kind) {
	case KIND_MEM:
		arn_mem_free(block);
		break;
	case KIND_OBJ:
		arn_obj_free(block);
		break;
	case KIND_RAW:
		arn_raw_free(block);
		break;
	default:
		arn_free(block);
	}
}

/*
 * The tag under which the statistics count a block of this kind; raw blocks are counted by
 * themselves.
 */
static unsigned tag_of(const struct stress_worker *worker, unsigned kind)
{
	switch (kind) {
	case KIND_NEW:
		return worker->extra_tag;
	case KIND_OBJ:
		return ARN_TAG_OBJECT;
	case KIND_MEM:
	case KIND_RAW:
		return ARN_TAG_MEM;
	default:
		return kind;
	}
}

/* A sample of the profile is in a heap that no thread keeps; any other block is in one of this
 * thread. */
static bool has_right_owner(const void *block)
{
	return stress_is_sample(block) ||
	       load_relaxed((const _Atomic uintptr_t *)arn_owner(block)) == thread_id();
}

/*
 * A new block, or one that has moved, is in the heap of the worker that asked for it.  It must be
 * aligned, large enough, and owned by this thread.
 */
static void item_settle(struct stress_worker *worker, struct stress_item *item, void *block)
{
	item->block = block;
	item->worker = (uint16_t)worker->index;
	item->life = worker->life;
	item->tag = (uint8_t)tag_of(worker, item->kind);
	if (item->kind == KIND_RAW)
		return;
	if ((uintptr_t)block % 16 || arn_usable_size(block) < item->size)
		stress_fail("block %p of %zu bytes, kind %d: usable %zu", block, item->size,
		            item->kind, arn_usable_size(block));
	if (!has_right_owner(block))
		stress_fail("block %p, kind %d: its owner is not the thread that asked", block,
		            item->kind);
}

/*
 * Allocate a block of a random kind and size, one in eight by calloc, and fill it with its pattern.
 */
static void item_make(struct stress_worker *worker, struct stress_item *item)
{
	uint64_t r = stress_random(&worker->random);
	bool zero = r % 8 == 0;
	char *block;

	item->kind = (uint8_t)((r >> 8) % KINDS);
	item->size = random_size(worker);
	block = (zero ? block_calloc : block_malloc)(worker, item->kind, item->size);
	if (!block) {
		stress_fail("no memory for %zu bytes, kind %d", item->size, item->kind);
		return;
	}
	item_settle(worker, item, block);
	if (zero)
		stress_check_zero(item);
	stress_fill(item, r);
}

/* Resize a block: what fits into the new size must be there afterwards, wherever the block is. */
static void item_resize(struct stress_worker *worker, struct stress_item *item)
{
	struct stress_item old = *item;
	size_t size = random_size(worker);
	char *block;

	stress_verify(item, item->size);
	block = block_realloc(worker, item->kind, item->block, size);
	if (!block) {
		stress_fail("no memory to resize from %zu to %zu bytes, kind %d", item->size, size,
		            item->kind);
		return;
	}
	item->size = size;
	if (block != old.block)
		item_settle(worker, item, block);
	old.block = block;
	stress_verify(&old, size);
	stress_fill(item, worker->random);
}

void stress_item_drop(struct stress_item *item)
{
	stress_verify(item, item->size);
	block_free(item->kind, item->block);
	item->block = NULL;
}

/* ---- a worker -------------------------------------------------------------------------------- */

/* Give all heaps up, with their blocks; they become orphans, which any worker may adopt. */
static void worker_abandon(struct stress_worker *worker)
{
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		arn_heap_abandon(&worker->heap[tag]);
	arn_heap_abandon(worker->extra);
	worker->life++;
}

/* Empty or fill the whole table at once, so that pools fall empty and heaps grow. */
static void worker_ebb_and_flow(struct stress_worker *worker)
{
	bool flow = stress_random(&worker->random) & 1;

	for (unsigned i = 0; i < STRESS_TABLE; i++) {
		if (flow && !worker->table[i]->block)
			item_make(worker, worker->table[i]);
		else if (!flow && worker->table[i]->block)
			stress_item_drop(worker->table[i]);
	}
}

/* The exchange carries the item's fields to the thread that takes it out. */
static void worker_exchange(struct stress_worker *worker, unsigned i, uint64_t r)
{
	worker->table[i] = exchange_acq_rel(&stress.x_shared[r % STRESS_SHARED], worker->table[i]);
}

/* For tests of the tool itself: do once what a broken allocator or a broken program would do. */
static void worker_sabotage(struct stress_worker *worker)
{
	struct stress_item *item = worker->table[0];

	if (!item->block || item->size < 8 || item->kind == KIND_RAW)
		return;
	if (stress.sabotage == SABOTAGE_LOSE)
		item->block = NULL;
	else if (stress.sabotage == SABOTAGE_DOUBLE)
		block_free(item->kind, item->block);
	else
		item->block[0] ^= 1;
	stress.sabotage = SABOTAGE_NONE;
}

/*
 * One step, by chance: of 100 steps 12 exchange an item, and of the others those that meet an item
 * without a block make one.
 */
static void worker_step(struct stress_worker *worker)
{
	uint64_t r = stress_random(&worker->random);
	unsigned i = (unsigned)((r >> 16) % STRESS_TABLE), what = r % 100;
	struct stress_item *item = worker->table[i];

	if (what < 12)
		worker_exchange(worker, i, r >> 40);
	else if (!item->block)
		item_make(worker, item);
	else if (what < 30)
		item_resize(worker, item);
	else
		stress_item_drop(item);
	if ((r >> 48) % 8192 == 0)
		worker_ebb_and_flow(worker);
	if ((r >> 48) % 4096 == 1)
		worker_abandon(worker);
	if (stress.sabotage != SABOTAGE_NONE && worker->index == 0)
		worker_sabotage(worker);
	worker->ops++;
}

/* Tell the main thread that this thread is still, and wait until the gate is open. */
static void worker_park(struct stress_worker *worker, unsigned stop)
{
	store_release(&worker->x_stopped, stop);
	while (load_acquire(&stress.x_gate) == stop)
		stress_nap(100);
}

/*
 * The life of a thread.  At its end it abandons its heaps itself, or leaves that to the main
 * thread, as CPython does both.
 */
static void *worker_run(void *arg)
{
	struct stress_worker *worker = arg;

	while (worker->ops_left-- > 0 && !load_relaxed(&stress.x_quit)) {
		unsigned gate = load_acquire(&stress.x_gate);

		if (gate & 1)
			worker_park(worker, gate);
		worker_step(worker);
	}
	if (!worker->abandon_late)
		worker_abandon(worker);
	store_release(&worker->x_stopped, WORKER_DEAD);
	return NULL;
}

void stress_worker_start(struct stress_worker *worker, long ops)
{
	worker->generation++;
	worker->random = stress.seed + worker->index * 1000003u + worker->generation * 7919u;
	worker->ops_left = ops ? ops : 1000 + (long)(stress_random(&worker->random) % 60000);
	worker->abandon_late = stress_random(&worker->random) & 1;
	worker->extra = arn_heap_new(worker->extra_tag);
	if (!worker->extra)
		stress_fail("arn_heap_new: no memory");
	store_release(&worker->x_stopped, WORKER_RUNS);
	if (!worker->extra || pthread_create(&worker->thread, NULL, worker_run, worker)) {
		stress_fail("cannot start a thread");
		abort();
	}
	stress.lives++;
}

void stress_worker_clear(struct stress_worker *worker)
{
	if (worker->abandon_late)
		worker_abandon(worker);
	arn_heap_delete(worker->extra);
	worker->extra = NULL;
	store_release(&worker->x_stopped, WORKER_EMPTY);
}

/*
 * The thread is joined before anything of it is looked at: a thread that is about to end still
 * hands the heaps in its record over.
 */
bool stress_worker_reap(struct stress_worker *worker)
{
	if (load_acquire(&worker->x_stopped) != WORKER_DEAD)
		return false;
	pthread_join(worker->thread, NULL);
	stress_worker_clear(worker);
	return true;
}
