/* SPDX-License-Identifier: MIT
 *
 * watch.h - what slow paths do now and then for those who look at the process: the sums are read,
 * so that their peaks are known, the page is written (page.h), and the file of option STATS
 * (report.h).  Where a limit is set that the kernel counts, its count is read (shortage.h).
 *
 * A look comes every WATCH_MS, and when more is resident than at any look before, by 1/64, or by
 * 64 KiB for each heap where that is more: so the peak of a program that grows is seen however fast
 * it does.  Most slow paths only compare two numbers; one in WATCH_EVERY asks the clock, and so
 * does the next one after tally_ask_look.  While option STATS is on, or option PROFILE with a file,
 * each one does, so that the end of Python is not missed.
 *
 * Synchronization   any thread; it must not be in the middle of a change to a heap, because what is
 *                   called may allocate.
 * Progress          wait-free in the number of heaps and threads: of several threads that find a
 *                   look due, one gets it by a compare-and-swap, and the others go on.
 */
#ifndef ARN_WATCH_H
#define ARN_WATCH_H

#include "arena/tally.h"
#include "heap/types.h"

#define WATCH_EVERY 16u
#define WATCH_MS    100u

cold void watch_look(void);

/* Called when a slow path of this heap has ended. */
static inline void watch(const struct heap *heap)
{
	if (unlikely(load_relaxed(&heap->x_slow_paths) % WATCH_EVERY == 1 ||
	             load_relaxed(&arena_counters.x_peak) > load_relaxed(&x_tally_look)))
		watch_look();
}

#endif
