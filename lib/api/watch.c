/* SPDX-License-Identifier: MIT */
#include "api/watch.h"

#include "api/page.h"
#include "api/report.h"
#include "api/shortage.h"
#include "base/option.h"
#include "os/os.h"

#include <arenite/arenite.h>

static _Atomic size_t x_seen;   /* the peak at the last look, and a step more */
static _Atomic unsigned x_last; /* when that was, ms */

#define STEP_LEAST MIB

/* The sums are of all heaps: where there are many, they are read less often.  A step of 64 KiB for
 * each heap makes that a small part of what the faults of the step cost. */
static size_t step(size_t peak)
{
	return max_size(max_size(peak / 64, STEP_LEAST), heap_count() * SLICE);
}

static unsigned pause(void)
{
	return WATCH_MS + (unsigned)min_size(heap_count() / 8, 60000);
}

/* Has memory grown by a step since the last look?  One of the threads that see it sets the next
 * step. */
static bool has_grown(void)
{
	size_t peak = load_relaxed(&arena_counters.x_peak), seen = load_relaxed(&x_seen);
	size_t next = peak + step(peak);

	if (peak <= seen || !cas_acq_rel(&x_seen, &seen, next))
		return false;
	if (!report_is_asked())
		store_relaxed(&x_tally_look, next);
	return true;
}

static bool is_time(unsigned now)
{
	unsigned last = load_relaxed(&x_last);

	return os_age(now, last) >= pause() && cas_acq_rel(&x_last, &last, now);
}

/* A look that was asked for is one; what is asked for from now on needs another. */
static void note_asked(void)
{
	if (load_relaxed(&x_tally_look) == 0 && !report_is_asked())
		store_relaxed(&x_tally_look, load_relaxed(&x_seen));
}

void watch_look(void)
{
	unsigned now = os_milliseconds();
	struct arn_stats stats;

	note_asked();
	report_tick(now);
	if (budget_is_watched())
		shortage_look(now);
	if (!has_grown() && !is_time(now))
		return;
	arn_stats_read(&stats, sizeof(stats));
	page_write(&stats);
}
