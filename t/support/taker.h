/* SPDX-License-Identifier: MIT
 *
 * taker.h - threads that use heaps of their own, beside one that takes away, over and over, what
 * all heaps of the family keep for themselves (heap/stock.h, heap/wait.h).
 */
#ifndef ARN_T_TAKER_H
#define ARN_T_TAKER_H

#include "support/core.h"

#include "heap/family.h"
#include "heap/stock.h"

enum { TAKER_OWNERS = 3 };

static arn_family *taker_family;
static enum arn_tag taker_tag;
static unsigned taker_rounds;
static void (*taker_use)(arn_heap *own, uint64_t mark);
static _Atomic unsigned x_owners;

static void use_or_take(unsigned self)
{
	arn_heap own;

	if (self == TAKER_OWNERS) {
		while (load_acquire(&x_owners))
			for (struct heap *heap = load_acquire(&taker_family->x_heaps); heap;
			     heap = heap->next)
				stock_give_back(heap);
		return;
	}
	arn_heap_init(&own, taker_family, taker_tag);
	for (unsigned i = 0; i < tap_scale(taker_rounds); i++)
		taker_use(&own, (uint64_t)self << 32 | i << 5);
	arn_heap_abandon(&own);
	sub_release(&x_owners, 1);
}

/* Each owner calls `use` so many times, with another mark each: a number whose five lowest bits are
 * zero. */
static void use_beside_taker(arn_family *family, enum arn_tag tag, unsigned rounds,
                             void (*use)(arn_heap *own, uint64_t mark))
{
	taker_family = family;
	taker_tag = tag;
	taker_rounds = rounds;
	taker_use = use;
	store_release(&x_owners, TAKER_OWNERS);
	yield_start(tap_seed(), 4);
	threads(TAKER_OWNERS + 1, use_or_take);
	yield_start(0, 0);
}

#endif
