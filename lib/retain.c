/* SPDX-License-Identifier: MIT */
#include "retain.h"

#include "arena.h"
#include "atomic.h"
#include "option.h"
#include "os.h"

static _Atomic size_t x_again;  /* taken again in this turn: what was purged, or would have been without credit */
static _Atomic size_t x_credit;
static _Atomic unsigned x_turn; /* ms, the end of the last turn */

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

size_t retain_for_caches(void)
{
	return retain_limit() / 4;
}

/* Below its peak, a program takes what it has had before. */
void retain_claimed(size_t fresh, size_t resident)
{
	size_t again = 0;

	if (fresh && load_relaxed(&arena_counters.x_claimed) < load_relaxed(&arena_counters.x_peak))
		again = fresh;
	if (resident && load_relaxed(&arena_counters.x_retained) + resident > retain_base())
		again += resident;
	if (again)
		add_relaxed(&x_again, again);
}

static void end_turn(unsigned now)
{
	size_t again = exchange_acquire(&x_again, 0);
	bool soon = now - load_relaxed(&x_turn) < RETAIN_WINDOW;

	/* an eighth more, for the base is larger when more is claimed */
	store_relaxed(&x_credit, soon ? min_size(again + again / 8, load_relaxed(&arena_counters.x_peak)) : 0);
	store_relaxed(&x_turn, now);
}

void retain_check(void)
{
	unsigned now = os_milliseconds();

	if (load_relaxed(&x_again) >= retain_limit())
		end_turn(now);
	else if (retain_has_credit() && now - load_relaxed(&x_turn) >= RETAIN_WINDOW)
		store_relaxed(&x_credit, 0);
}

bool retain_has_credit(void)
{
	return load_relaxed(&x_credit) != 0;
}

void retain_forget(void)
{
	store_relaxed(&x_credit, 0);
	store_relaxed(&x_again, 0);
	store_relaxed(&x_turn, os_milliseconds() - RETAIN_WINDOW);
}
