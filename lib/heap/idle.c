/* SPDX-License-Identifier: MIT */
#include "heap/idle.h"

#include "heap/cache.h"
#include "heap/sweep.h"
#include "os/os.h"

/* The request is taken back first: one that comes while this runs is answered by the next slow
 * path. */
size_t heap_trim(struct heap *heap)
{
	store_relaxed(&heap->x_trim, false);
	cache_send_home(heap);
	return sweep_all(heap);
}

/* Both numbers are in one word, so that of two threads which look first at the same time one sets
 * both.  0 says that there was no look yet. */
bool heap_is_idle(struct heap *heap)
{
	uint64_t mark = (uint64_t)load_relaxed(&heap->x_slow_paths) << 32;
	uint64_t seen = load_relaxed(&heap->x_idle);
	unsigned now = os_milliseconds();

	if (seen && seen >> 32 == mark >> 32)
		return os_age(now, (unsigned)seen) >= HEAP_IDLE;
	store_relaxed(&heap->x_idle, mark | now);
	return false;
}

void heap_trim_if_idle(struct heap *heap)
{
	if (load_relaxed(&heap->x_trim) || heap_is_idle(heap))
		heap_trim(heap);
}
