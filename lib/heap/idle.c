/* SPDX-License-Identifier: MIT */
#include "heap/idle.h"

#include "heap/cache.h"
#include "heap/sweep.h"
#include "os/os.h"

size_t heap_trim(struct heap *heap)
{
	store_relaxed(&heap->x_trim, false);
	cache_send_home(heap);
	return sweep_all(heap);
}

bool heap_is_idle(struct heap *heap)
{
	unsigned now = os_milliseconds(), entered = load_relaxed(&heap->x_slow_paths);

	if (load_relaxed(&heap->x_idle_mark) == entered && load_relaxed(&heap->x_idle_since))
		return now - load_relaxed(&heap->x_idle_since) >= HEAP_IDLE;
	store_relaxed(&heap->x_idle_mark, entered);
	store_relaxed(&heap->x_idle_since, now | 1);
	return false;
}

void heap_trim_if_idle(struct heap *heap)
{
	if (load_relaxed(&heap->x_trim) || heap_is_idle(heap))
		heap_trim(heap);
}
