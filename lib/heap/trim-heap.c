/* SPDX-License-Identifier: MIT */
#include "heap/trim-heap.h"

#include "heap/cache.h"
#include "heap/idle.h"
#include "heap/stock.h"
#include "heap/sweep.h"

/* The request is taken back first: one that comes while this runs is answered by the next slow
 * path. */
size_t heap_trim(struct heap *heap)
{
	store_relaxed(&heap->x_trim, false);
	cache_send_home(heap);
	stock_give_back(heap);
	return sweep_all(heap);
}

void heap_trim_if_idle(struct heap *heap)
{
	if (load_relaxed(&heap->x_trim) || heap_is_idle(heap, HEAP_IDLE))
		heap_trim(heap);
}
