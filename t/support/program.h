/* SPDX-License-Identifier: MIT
 *
 * program.h - a program that reaches all paths of the library, also those that ask the system for
 * memory or give it back.  It has all kinds of pools, families with and without a provider, threads
 * that end, heaps that change hands, remote frees and trims.  A request that fails may only leave
 * the old block whole.
 */
#ifndef ARN_T_PROGRAM_H
#define ARN_T_PROGRAM_H

#include "support/core.h"

#include "heap/remote.h"

#include <errno.h>

enum { SLOTS = 80, HEAPS = 5, WORKERS = 2, STEPS = 120 };

struct slot {
	unsigned char *block;
	size_t size;
	unsigned char fill;
};

static struct slot slots[WORKERS + 1][SLOTS];
static arn_heap heaps[WORKERS + 1][HEAPS];
static arn_family *families[2];

static uint64_t goal(size_t bytes)
{
	static _Atomic uint64_t x_now;

	(void)bytes;
	return add_relaxed(&x_now, 1);
}

static bool reached(uint64_t wanted)
{
	return wanted % 2 == 0;
}

static const struct arn_provider provider = { .goal = goal, .reached = reached };

/* A size for each kind of pool: small, medium, large, and one with an arena of its own. */
static size_t some_size(struct rng *rng)
{
	size_t kind = rng_below(rng, 100);

	if (kind < 2)
		return 17 * MIB + rng_below(rng, 20 * MIB);
	if (kind < 8)
		return 100000 + rng_below(rng, 8 * MIB);
	return kind < 40 ? rng_below(rng, 60000) : rng_below(rng, 1000);
}

static bool is_whole(const struct slot *slot)
{
	return !slot->block || slot->size == 0 ||
	       (slot->block[0] == slot->fill && slot->block[slot->size / 2] == slot->fill &&
	        slot->block[slot->size - 1] == slot->fill);
}

static void fill(struct slot *slot, void *block, size_t size)
{
	slot->block = block;
	slot->size = size;
	slot->fill++;
	if (block && size)
		slot->block[0] = slot->block[size / 2] = slot->block[size - 1] = slot->fill;
}

static bool is_zero(const unsigned char *block, size_t size)
{
	return !block || size == 0 ||
	       (block[0] == 0 && block[size / 2] == 0 && block[size - 1] == 0);
}

/*
 * free() leaves errno alone, whatever the system answers meanwhile.  ThreadSanitizer does not: it
 * looks for names while it drops a report that is suppressed.
 */
static void give_up(void *block)
{
	errno = 77;
	arn_free(block);
#ifndef ARN_TSAN
	expect(errno == 77);
#endif
}

static void make(arn_heap *handle, struct slot *slot, struct rng *rng)
{
	size_t size = some_size(rng);
	void *block;

	give_up(slot->block);
	switch (rng_below(rng, 4)) {
	case 0:
		block = arn_heap_calloc(handle, 1, size);
		expect(is_zero(block, size));
		break;
	case 1:
		block = arn_mem_malloc(size);
		break;
	case 2:
		block = arn_obj_malloc(size);
		break;
	default:
		block = arn_heap_malloc(handle, size);
	}
	fill(slot, block, size);
}

static void resize(arn_heap *handle, struct slot *slot, struct rng *rng)
{
	size_t size = some_size(rng);
	unsigned char *moved = arn_heap_realloc(handle, slot->block, size);

	if (!moved)
		return; /* the old block is as it was */
	if (slot->block && size && slot->size)
		expect(moved[0] == slot->fill);
	fill(slot, moved, size);
}

static void step(unsigned self, struct rng *rng)
{
	struct slot *slot = &slots[self][rng_below(rng, SLOTS)];
	arn_heap *handle = &heaps[self][rng_below(rng, HEAPS)];

	expect(is_whole(slot));
	switch (rng_below(rng, 24)) {
	case 0:
		arn_heap_abandon(handle);
		break;
	case 1:
		if (rng_below(rng, 2) == 0)
			arn_trim();
		break;
	case 2:
	case 3:
	case 4:
		resize(handle, slot, rng);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		give_up(slot->block);
		slot->block = NULL;
		break;
	default:
		make(handle, slot, rng);
	}
}

static void run_actor(unsigned self)
{
	struct rng rng = rng_start(self);

	for (unsigned i = 0; i < HEAPS; i++)
		arn_heap_init(&heaps[self][i], i < 3 ? families[i % 2] : NULL,
		              (enum arn_tag)(i % ARN_TAGS));
	for (unsigned i = 0; i < STEPS; i++)
		step(self, &rng);
}

/* First free blocks of the main thread's slots: those are remote frees. */
static void *run_thread(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < SLOTS / 2; i++) {
		struct slot *slot = &slots[0][self + 2 * i - 1];

		expect(is_whole(slot));
		give_up(slot->block);
		slot->block = NULL;
	}
	run_actor(self);
	return NULL;
}

static void run_program(void)
{
	pthread_t thread[WORKERS];
	bool runs[WORKERS];

	families[0] = arn_family_new(NULL);
	families[1] = arn_family_new(&provider);
	run_actor(0);
	for (unsigned i = 0; i < WORKERS; i++)
		runs[i] = pthread_create(&thread[i], NULL, run_thread,
		                         (void *)(uintptr_t)(i + 1)) == 0;
	for (unsigned i = 0; i < WORKERS; i++)
		if (runs[i])
			pthread_join(thread[i], NULL);
}

/* Free all blocks, and abandon the heaps. */
static void free_all(void)
{
	for (unsigned i = 0; i < (WORKERS + 1) * SLOTS; i++) {
		struct slot *slot = &slots[i / SLOTS][i % SLOTS];

		expect(is_whole(slot));
		give_up(slot->block);
		slot->block = NULL;
	}
	remote_flush();
	for (unsigned i = 0; i < (WORKERS + 1) * HEAPS; i++)
		if (heaps[i / HEAPS][i % HEAPS].heap)
			arn_heap_abandon(&heaps[i / HEAPS][i % HEAPS]);
}

#endif
