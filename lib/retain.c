/* SPDX-License-Identifier: MIT */
#include "retain.h"

#include "arena.h"
#include "atomic.h"
#include "option.h"
#include "os.h"

static _Atomic size_t x_missed; /* in this turn: taken again, and was not kept */
static _Atomic size_t x_used;   /* in this turn: taken again, and was kept beyond the base */
static _Atomic size_t x_credit;
static _Atomic unsigned x_turn;  /* ms, the end of the last turn */
static _Atomic size_t x_purged; /* what had been purged until then */

/* the least that was kept, in this half of a window and in the one before */
static _Atomic size_t x_low, x_low_before;
static _Atomic unsigned x_half; /* ms, its begin */

size_t retain_limit(void)
{
	size_t share = load_relaxed(&arena_counters.x_claimed) / 100 * option(OPTION_RETAIN_PERCENT);

	return max_size(option(OPTION_RETAIN), share);
}

size_t retain_base(void)
{
	return retain_limit() / 2;
}

/* Who asks for nothing to be kept gets no credit either. */
size_t retain_for_slices(void)
{
	size_t base = retain_base();

	return base ? base + load_relaxed(&x_credit) : 0;
}

size_t retain_for_pages(void)
{
	return retain_limit() / 4;
}

/* Below its peak, a program takes what it has had before. */
void retain_missed(size_t bytes)
{
	if (load_relaxed(&arena_counters.x_claimed) < load_relaxed(&arena_counters.x_peak))
		add_relaxed(&x_missed, bytes);
}

void retain_claimed(size_t resident)
{
	size_t kept = load_relaxed(&arena_counters.x_retained);

	if (resident && kept + resident > retain_base())
		add_relaxed(&x_used, resident);
	if (kept < load_relaxed(&x_low))
		store_relaxed(&x_low, kept);
}

static void end_turn(unsigned now)
{
	size_t missed = exchange_acquire(&x_missed, 0), credit = load_relaxed(&x_credit);
	bool soon = now - load_relaxed(&x_turn) < RETAIN_WINDOW;

	store_relaxed(&x_used, 0);
	store_relaxed(&x_credit, soon ? min_size(credit + missed, load_relaxed(&arena_counters.x_peak)) : 0);
	store_relaxed(&x_turn, now);
	store_relaxed(&x_purged, load_relaxed(&arena_counters.x_purged));
}

/* The last turn is long ago, or this is a drop of another size than the turns were. */
static bool is_over(unsigned now)
{
	size_t purged = load_relaxed(&arena_counters.x_purged) - load_relaxed(&x_purged);

	return now - load_relaxed(&x_turn) >= RETAIN_WINDOW || purged > 8 * load_relaxed(&x_credit) + retain_limit();
}

/* What was kept all the time was not needed. */
static void end_half(unsigned now)
{
	size_t low = load_relaxed(&x_low), unneeded = min_size(low, load_relaxed(&x_low_before));
	size_t credit = load_relaxed(&x_credit);

	store_relaxed(&x_credit, credit - min_size(credit, unneeded));
	store_relaxed(&x_low_before, low);
	store_relaxed(&x_low, load_relaxed(&arena_counters.x_retained));
	store_relaxed(&x_half, now);
}

void retain_check(void)
{
	unsigned now = os_milliseconds();

	if (now - load_relaxed(&x_half) >= RETAIN_WINDOW / 2)
		end_half(now);
	if (load_relaxed(&x_missed) + load_relaxed(&x_used) >= retain_limit())
		end_turn(now);
	else if (retain_has_credit() && is_over(now))
		store_relaxed(&x_credit, 0);
}

bool retain_has_credit(void)
{
	return load_relaxed(&x_credit) != 0;
}

void retain_forget(void)
{
	store_relaxed(&x_credit, 0);
	store_relaxed(&x_missed, 0);
	store_relaxed(&x_used, 0);
	store_relaxed(&x_turn, os_milliseconds() - RETAIN_WINDOW);
}
