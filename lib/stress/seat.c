/* SPDX-License-Identifier: MIT
 *
 * stress-seat.c - what a thread of the stress tool does with its items.
 */
#include <stdlib.h>

#include "stress/stress.h"

/* ---- operations on one item, by the thread that holds it --------------------------------------------- */

/* What Python asks for: mostly below 512 bytes; the last line is larger than any pool. */
static size_t random_size(struct stress_seat *seat)
{
	uint64_t r = stress_random(&seat->random);
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

static arn_heap *handle_of(struct stress_seat *seat, unsigned kind)
{
	return kind == KIND_NEW ? seat->extra : &seat->heap[kind];
}

static void *block_malloc(struct stress_seat *seat, unsigned kind, size_t size)
{
	switch (kind) {
	case KIND_MEM: return arn_mem_malloc(size);
	case KIND_OBJ: return arn_obj_malloc(size);
	case KIND_RAW: return arn_raw_malloc(size);
	default: return arn_heap_malloc(handle_of(seat, kind), size);
	}
}

static void *block_calloc(struct stress_seat *seat, unsigned kind, size_t size)
{
	switch (kind) {
	case KIND_MEM: return arn_mem_calloc(1, size);
	case KIND_OBJ: return arn_obj_calloc(size, 1);
	case KIND_RAW: return arn_raw_calloc(1, size);
	default: return arn_heap_calloc(handle_of(seat, kind), 1, size);
	}
}

static void *block_realloc(struct stress_seat *seat, unsigned kind, void *block, size_t size)
{
	switch (kind) {
	case KIND_MEM: return arn_mem_realloc(block, size);
	case KIND_OBJ: return arn_obj_realloc(block, size);
	case KIND_RAW: return arn_raw_realloc(block, size);
	default: return arn_heap_realloc(handle_of(seat, kind), block, size);
	}
}

static void block_free(unsigned kind, void *block)
{
	switch (kind) {
	case KIND_MEM: arn_mem_free(block); break;
	case KIND_OBJ: arn_obj_free(block); break;
	case KIND_RAW: arn_raw_free(block); break;
	default: arn_free(block);
	}
}

static unsigned tag_of(const struct stress_seat *seat, unsigned kind)
{
	switch (kind) {
	case KIND_NEW: return seat->extra_tag;
	case KIND_OBJ: return ARN_TAG_OBJECT;
	case KIND_MEM:
	case KIND_RAW: return ARN_TAG_MEM;
	default: return kind;
	}
}

/* A new block, or one that moved, stands in the heap of the seat that asked. */
static void item_settle(struct stress_seat *seat, struct stress_item *item, void *block)
{
	item->block = block;
	item->seat = (uint16_t)seat->index;
	item->life = seat->life;
	item->tag = (uint8_t)tag_of(seat, item->kind);
	if (item->kind == KIND_RAW)
		return;
	if ((uintptr_t)block % 16 || arn_usable_size(block) < item->size)
		stress_fail("block %p of %zu bytes, kind %d: usable %zu", block, item->size, item->kind,
		            arn_usable_size(block));
	if (load_relaxed((const _Atomic uintptr_t *)arn_owner(block)) != thread_id())
		stress_fail("block %p, kind %d: its owner is not the thread that asked", block, item->kind);
}

static void item_make(struct stress_seat *seat, struct stress_item *item)
{
	uint64_t r = stress_random(&seat->random);
	bool zero = r % 8 == 0;
	char *block;

	item->kind = (uint8_t)((r >> 8) % KINDS);
	item->size = random_size(seat);
	block = (zero ? block_calloc : block_malloc)(seat, item->kind, item->size);
	if (!block) {
		stress_fail("no memory for %zu bytes, kind %d", item->size, item->kind);
		return;
	}
	item_settle(seat, item, block);
	if (zero)
		stress_check_zero(item);
	stress_fill(item, r);
}

static void item_resize(struct stress_seat *seat, struct stress_item *item)
{
	struct stress_item old = *item;
	size_t size = random_size(seat);
	char *block;

	stress_verify(item, item->size);
	block = block_realloc(seat, item->kind, item->block, size);
	if (!block) {
		stress_fail("no memory to resize from %zu to %zu bytes, kind %d", item->size, size,
			    item->kind);
		return;
	}
	item->size = size;
	if (block != old.block)
		item_settle(seat, item, block);
	old.block = block;
	stress_verify(&old, size);
	stress_fill(item, seat->random);
}

void stress_item_drop(struct stress_item *item)
{
	stress_verify(item, item->size);
	block_free(item->kind, item->block);
	item->block = NULL;
}

/* ---- a seat ------------------------------------------------------------------------------------------ */

static void seat_abandon(struct stress_seat *seat)
{
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		arn_heap_abandon(&seat->heap[tag]);
	arn_heap_abandon(seat->extra);
	seat->life++;
}

/* Empty or fill the whole table: makes pools fall empty and heaps grow. */
static void seat_ebb_and_flow(struct stress_seat *seat)
{
	bool flow = stress_random(&seat->random) & 1;

	for (unsigned i = 0; i < STRESS_TABLE; i++) {
		if (flow && !seat->table[i]->block)
			item_make(seat, seat->table[i]);
		else if (!flow && seat->table[i]->block)
			stress_item_drop(seat->table[i]);
	}
}

static void seat_exchange(struct stress_seat *seat, unsigned i, uint64_t r)
{
	seat->table[i] = exchange_acq_rel(&stress.x_shared[r % STRESS_SHARED], seat->table[i]);
}

/* For tests of the tool itself: do what a broken allocator or a broken program would. */
static void seat_sabotage(struct stress_seat *seat)
{
	struct stress_item *item = seat->table[0];

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

static void seat_step(struct stress_seat *seat)
{
	uint64_t r = stress_random(&seat->random);
	unsigned i = (unsigned)((r >> 16) % STRESS_TABLE), what = r % 100;
	struct stress_item *item = seat->table[i];

	if (what < 12)
		seat_exchange(seat, i, r >> 40);
	else if (!item->block)
		item_make(seat, item);
	else if (what < 30)
		item_resize(seat, item);
	else
		stress_item_drop(item);
	if ((r >> 48) % 8192 == 0)
		seat_ebb_and_flow(seat);
	if ((r >> 48) % 4096 == 1)
		seat_abandon(seat);
	if (stress.sabotage != SABOTAGE_NONE && seat->index == 0)
		seat_sabotage(seat);
	seat->ops++;
}

static void seat_park(struct stress_seat *seat, unsigned stop)
{
	store_release(&seat->x_stopped, stop);
	while (load_acquire(&stress.x_gate) == stop)
		stress_nap(100);
}

static void *seat_run(void *arg)
{
	struct stress_seat *seat = arg;

	while (seat->ops_left-- > 0 && !load_relaxed(&stress.x_quit)) {
		unsigned gate = load_acquire(&stress.x_gate);

		if (gate & 1)
			seat_park(seat, gate);
		seat_step(seat);
	}
	if (!seat->abandon_late)
		seat_abandon(seat);
	store_release(&seat->x_stopped, SEAT_DEAD);
	return NULL;
}

void stress_seat_start(struct stress_seat *seat, long ops)
{
	seat->generation++;
	seat->random = stress.seed + seat->index * 1000003u + seat->generation * 7919u;
	seat->ops_left = ops ? ops : 1000 + (long)(stress_random(&seat->random) % 60000);
	seat->abandon_late = stress_random(&seat->random) & 1;
	seat->extra = arn_heap_new(seat->extra_tag);
	if (!seat->extra)
		stress_fail("arn_heap_new: no memory");
	store_release(&seat->x_stopped, SEAT_RUNS);
	if (!seat->extra || pthread_create(&seat->thread, NULL, seat_run, seat)) {
		stress_fail("cannot start a thread");
		abort();
	}
	stress.lives++;
}

/* What is left of a seat when its thread is gone: its blocks stay in its table. */
void stress_seat_clear(struct stress_seat *seat)
{
	if (seat->abandon_late)
		seat_abandon(seat);
	arn_heap_delete(seat->extra);
	seat->extra = NULL;
	store_release(&seat->x_stopped, SEAT_EMPTY);
}

/* Join before looking at anything: a dying thread still hands its own heaps over. */
bool stress_seat_reap(struct stress_seat *seat)
{
	if (load_acquire(&seat->x_stopped) != SEAT_DEAD)
		return false;
	pthread_join(seat->thread, NULL);
	stress_seat_clear(seat);
	return true;
}
