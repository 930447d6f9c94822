/* SPDX-License-Identifier: MIT */
#include "retain.h"

#include "arena.h"
#include "atomic.h"
#include "option.h"
#include "os.h"

static _Atomic size_t x_missed;   /* in this turn */
static _Atomic unsigned x_turn;   /* ms, its begin */
static _Atomic unsigned x_fell;   /* ms, when memory fell free beyond the base, the last time */
static _Atomic unsigned x_period; /* ms that the turn before took, if it cost more than 5 %; else 0 */

#define LONG_AGO ((unsigned)1 << 31) /* ms, half of what the clock can tell */

static _Atomic size_t x_credit;
static _Atomic unsigned x_window, x_length; /* ms, begin and length of this window */
static _Atomic size_t x_high;               /* in this window: the most that was kept */
static _Atomic size_t x_fall;               /* in this window: the most that it fell from there */

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
static size_t with_credit(size_t base)
{
	return base ? base + load_relaxed(&x_credit) : 0;
}

size_t retain_for_slices(void)
{
	return with_credit(retain_base());
}

size_t retain_for_pages(void)
{
	return with_credit(retain_limit() / 4);
}

/* Below its peak, a program takes what it has had before. */
void retain_missed(size_t bytes)
{
	if (load_relaxed(&arena_counters.x_claimed) < load_relaxed(&arena_counters.x_peak))
		retain_missed_again(bytes);
}

void retain_missed_again(size_t bytes)
{
	add_relaxed(&x_missed, bytes);
}

/* Did it cost more than one part in so many of that time? */
static bool costs(size_t missed, unsigned part, unsigned ms)
{
#ifdef ARN_BUG_credit_for_all
	return true;
#endif
	return missed / RETAIN_MISSED_PER_MS * part > ms;
}

static void begin_turn(unsigned now)
{
	store_relaxed(&x_missed, 0);
	store_relaxed(&x_turn, now);
}

static void begin_window(unsigned now)
{
	store_relaxed(&x_high, 0);
	store_relaxed(&x_fall, 0);
	store_relaxed(&x_window, now);
}

/* More than the peak, for sizes that are others each time do not fit where the last ones were. */
static void earn(size_t missed, size_t period, unsigned now)
{
	size_t credit = load_relaxed(&x_credit), length = min_size(2 * period, RETAIN_WINDOW_MAX);
	size_t room = min_size(missed, retain_limit() / 4); /* what purge_excess takes beyond need */

	if (credit == 0)
		begin_window(now);
	store_relaxed(&x_length, (unsigned)max_size(length, RETAIN_WINDOW_MIN));
	store_relaxed(&x_credit, min_size(credit + missed + room, 2 * load_relaxed(&arena_counters.x_peak)));
}

static void end_turn(unsigned now)
{
	size_t missed = load_relaxed(&x_missed);
	unsigned took = now - load_relaxed(&x_turn), before = load_relaxed(&x_period);
	bool costly = costs(missed, 20, took);

	if (costly && (before || costs(missed, 4, took)))
		earn(missed, max_size(took, before), now);
	store_relaxed(&x_period, costly ? took : 0);
	begin_turn(now);
}

/* After a pause in which nothing to speak of was missed, a drop begins a turn of its own. */
static bool begins_anew(unsigned now)
{
	return now - load_relaxed(&x_fell) >= RETAIN_WINDOW_MIN &&
	       !costs(load_relaxed(&x_missed), 20, now - load_relaxed(&x_turn));
}

bool retain_has_credit(void)
{
	return load_relaxed(&x_credit) != 0;
}

void retain_check(void)
{
	bool is_turn = load_relaxed(&x_missed) >= RETAIN_TURN;
	unsigned now;

	if (!is_turn && retain_has_credit())
		return; /* retain_watch says when it ends */
	now = os_milliseconds();
	if (is_turn)
		end_turn(now);
	else if (begins_anew(now))
		begin_turn(now);
	store_relaxed(&x_fell, now);
}

static void note_kept(size_t kept)
{
	size_t high = load_relaxed(&x_high);

	if (kept > high)
		store_relaxed(&x_high, kept);
	else if (high - kept > load_relaxed(&x_fall))
		store_relaxed(&x_fall, high - kept);
}

bool retain_watch(size_t kept)
{
	unsigned now = os_milliseconds(), begun = load_relaxed(&x_window);
	size_t fall;

	note_kept(kept);
#ifdef ARN_BUG_credit_for_ever
	return false;
#endif
	if (now - begun < load_relaxed(&x_length) || !cas_acquire(&x_window, &begun, now))
		return false;
	fall = load_relaxed(&x_fall);
	begin_window(now);
	if (fall >= load_relaxed(&x_credit) / 2)
		return false;
	store_relaxed(&x_credit, fall < retain_limit() ? 0 : fall);
	return true;
}

void retain_forget(void)
{
	store_relaxed(&x_credit, 0);
	store_relaxed(&x_period, 0);
	begin_turn(os_milliseconds() - LONG_AGO);
}
