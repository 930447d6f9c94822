/* SPDX-License-Identifier: MIT */
#include "heap/idle.h"

#include "os/os.h"

/* Hundreds of threads at work wait for a processor most of the time, each as long as all of the
 * others take: that is no rest.  A thread has two or three heaps. */
#define WAITING_HEAPS 256u

static unsigned longer_among_many(unsigned least)
{
	return BUG(rest_at_work)
	               ? least
	               : least * (1 + (unsigned)min_size(heap_count() / WAITING_HEAPS, 100));
}

/* Both numbers are in one word, so that of two threads which look first at the same time one sets
 * both.  0 says that there was no look yet. */
bool heap_is_idle(struct heap *heap, unsigned least)
{
	uint64_t mark = (uint64_t)load_relaxed(&heap->x_slow_paths) << 32;
	uint64_t seen = load_relaxed(&heap->x_idle);
	unsigned now = os_milliseconds();

	if (seen && seen >> 32 == mark >> 32)
		return os_age(now, (unsigned)seen) >= longer_among_many(least);
	store_relaxed(&heap->x_idle, mark | now);
	return false;
}
