/* SPDX-License-Identifier: MIT */
#include "retain.h"

#include "arena.h"
#include "atomic.h"
#include "option.h"
#include "os.h"

static _Atomic size_t x_again;   /* claimed again since the last turn */
static _Atomic size_t x_credit;
static _Atomic unsigned x_turn;  /* ms, of the last turn */

size_t retain_limit(void)
{
	size_t share = load_relaxed(&arena_counters.x_claimed) / 100 * option(OPTION_RETAIN_PERCENT);

	return max_size(option(OPTION_RETAIN), share);
}

size_t retain_for_slices(void)
{
	return retain_limit() / 2;
}

/* Below its peak, a program takes what it has had before. */
void retain_claimed(size_t bytes)
{
	if (load_relaxed(&arena_counters.x_claimed) < load_relaxed(&arena_counters.x_peak))
		add_relaxed(&x_again, bytes);
}

static void turn(unsigned now)
{
	size_t again = exchange_acquire(&x_again, 0), peak = load_relaxed(&arena_counters.x_peak);
	bool soon = now - load_relaxed(&x_turn) < RETAIN_WINDOW;

	store_relaxed(&x_credit, soon ? min_size(load_relaxed(&x_credit) + again, peak) : 0);
	store_relaxed(&x_turn, now);
}

void retain_purging(void)
{
	unsigned now = os_milliseconds();

	if (load_relaxed(&x_again) >= retain_limit())
		turn(now);
	else if (load_relaxed(&x_credit) != 0 && now - load_relaxed(&x_turn) >= RETAIN_WINDOW)
		store_relaxed(&x_credit, 0);
}

size_t retain_credit(void)
{
	return load_relaxed(&x_credit);
}

void retain_forget(void)
{
	store_relaxed(&x_credit, 0);
	store_relaxed(&x_again, 0);
	store_relaxed(&x_turn, os_milliseconds() - RETAIN_WINDOW);
}

bool retain_expects(size_t bytes)
{
	return load_relaxed(&arena_counters.x_lazy) + bytes <= load_relaxed(&x_credit);
}
