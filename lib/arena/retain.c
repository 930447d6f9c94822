/* SPDX-License-Identifier: MIT */
#include "arena/retain.h"

#include "arena/arena.h"
#include "base/atomic.h"
#include "base/option.h"
#include "os/os.h"

/*
 * A cycle of a program that builds and drops, and what the statics below hold of it:
 *
 *     in use
 *       |----\                        /-------------\                      /------
 *       |     \                      /               \                    /
 *       |      \____________________/                 \__________________/
 *       +------^-------^------------^-----------------^------------------------> time
 *              |       |            |                 |
 *          x_cycle  x_ended     x_resumed         a drop after at least RETAIN_CYCLE
 *          x_begun  x_gone      the first MiB     bytes of refaults: this cycle ends
 *                   the drop    is refaulted      and the next one begins
 *                   is over
 *              |       |<- pause? ->|                 |
 *              |<------------- x_faulted ------------>|
 *              |<--------- took; x_period ----------->|
 *
 * A pause of RETAIN_PAUSE or more between the end of the drop and the first refaults says that what
 * went back was not needed for a while: then it is not owed, and its refaults cost nothing.
 */

/* The cycle: how much, since when, and what the last one took.  Bytes and ms. */
static _Atomic size_t x_faulted; /* refaulted in this cycle */
static _Atomic unsigned x_cycle; /* when it began */
static _Atomic unsigned x_fell;  /* when more than the base was free, the last time */
/* How long the last cycle took, if its refaults cost more than 5 % of that time; else 0. */
static _Atomic unsigned x_period;

/* What of the refaults counts: only what had gone back before.  Bytes purged since the start of the
 * process, unless it says otherwise, and ms. */
static _Atomic size_t x_begun; /* when this cycle began */
/* Bytes purged before this cycle and not refaulted since; 0 after a pause. */
static _Atomic size_t x_owed;
static _Atomic unsigned x_ended;   /* when memory went back the last time before the first MiB */
static _Atomic size_t x_gone;      /* at that time */
static _Atomic unsigned x_resumed; /* when that MiB was refaulted */

#define LONG_AGO ((unsigned)1 << 31) /* ms, half of what the clock can tell */

/*
 * The credit, in bytes, and the present window of it:
 *
 *     kept
 *       |   ____x_high
 *       |  /    \          /   The rest of the credit, below the lowest point, was kept for
 *       | /      \   /\   /    nothing.  If that is more than half of the credit when the window
 *       |/        \_/  \_/     ends, the credit shrinks to x_fall.
 *       |         x_high - x_fall
 *       +-^----------------^---> time, ms
 *      x_window     x_window + x_length
 */
_Atomic size_t x_retain_credit;
static _Atomic unsigned x_window, x_length; /* ms, begin and length of this window */
static _Atomic size_t x_high;               /* in this window: the most that was kept */
static _Atomic size_t x_fall;               /* in this window: the most that it fell from there */

/* A share of what has pages: what has none, be it in the pools of a thread that waits, is not in
 * use. */
size_t retain_limit(void)
{
	size_t share = arena_with_pages() / 100 * option(OPTION_RETAIN_PERCENT);

	return max_size(option(OPTION_RETAIN), share);
}

size_t retain_base(void)
{
	return retain_limit() / 2;
}

/* A program that asks for nothing to be kept (RETAIN=0 and RETAIN_PERCENT=0) gets no credit
 * either. */
static size_t with_credit(size_t base)
{
	return base ? base + load_relaxed(&x_retain_credit) : 0;
}

size_t retain_for_slices(void)
{
	return with_credit(retain_base());
}

size_t retain_for_pages(void)
{
	return with_credit(retain_limit() / RETAIN_PAGES_PART);
}

/* Counted only below the peak of what was in use: a program at its peak needs new pages anyway, but
 * below it takes what it has had before. */
void retain_note_fault(size_t bytes)
{
	if (arena_in_use() < load_relaxed(&arena_counters.x_peak))
		retain_note_refault(bytes);
}

/* The thread that crosses the first MiB notes when that was.  The sum decides who it is, so it is
 * one thread. */
void retain_note_refault(size_t bytes)
{
	size_t before = add_relaxed(&x_faulted, bytes);

	if (before < MIB && before + bytes >= MIB)
		store_relaxed(&x_resumed, os_milliseconds());
}

/* Did these refaults cost more than one part in `part` of that time? */
static bool costs(size_t faulted, unsigned part, unsigned ms)
{
	if (BUG(credit_for_all))
		return true;
	return faulted / RETAIN_FAULTED_PER_MS * part > ms;
}

/* Several threads may begin a cycle at the same time, or count into one meanwhile.  The figures are
 * then a little wrong, and so is one decision at most. */
static void begin_cycle(unsigned now, size_t owed)
{
	size_t purged = load_relaxed(&arena_counters.x_purged);

	store_relaxed(&x_faulted, 0);
	store_relaxed(&x_cycle, now);
	store_relaxed(&x_owed, owed);
	store_relaxed(&x_begun, purged);
	store_relaxed(&x_gone, purged);
	store_relaxed(&x_ended, now);
}

/* Bytes that went back since this cycle began. */
static size_t gone_in_cycle(void)
{
	return load_relaxed(&arena_counters.x_purged) - load_relaxed(&x_begun);
}

/* The drop goes on: move its end forward, for each MiB that went back, until the first MiB is
 * refaulted. */
static void note_gone(unsigned now)
{
	size_t purged = load_relaxed(&arena_counters.x_purged);

	if (load_relaxed(&x_faulted) >= MIB || purged - load_relaxed(&x_gone) < MIB)
		return;
	store_relaxed(&x_gone, purged);
	store_relaxed(&x_ended, now);
}

/* Was what went back in this cycle left alone for a while before it was taken again? */
static bool had_pause(void)
{
	if (BUG(overlook_pauses))
		return false;
	return os_age(load_relaxed(&x_resumed), load_relaxed(&x_ended)) >= RETAIN_PAUSE;
}

static void begin_window(unsigned now)
{
	store_relaxed(&x_high, 0);
	store_relaxed(&x_fall, 0);
	store_relaxed(&x_window, now);
}

/* A costly cycle earns credit for what it refaulted, and for what purge_excess takes beyond need.
 * Credit may reach twice the peak, since blocks whose sizes differ each time do not fit where the
 * last ones were.  Windows are twice as long as a cycle, so that each sees a whole one. */
static void earn(size_t faulted, size_t period, unsigned now)
{
	size_t credit = load_relaxed(&x_retain_credit),
	       length = min_size(2 * period, RETAIN_WINDOW_MAX);
	size_t room = min_size(faulted, retain_limit() / 4);

	if (credit == 0)
		begin_window(now);
	store_relaxed(&x_length, (unsigned)max_size(length, RETAIN_WINDOW_MIN));
	store_relaxed(&x_retain_credit,
	              min_size(credit + faulted + room, 2 * load_relaxed(&arena_counters.x_peak)));
}

/* A cycle has ended: what of its refaults had gone back before is held against the time that it
 * took.  More than a quarter earns credit at once, more than a twentieth if the cycle before was
 * costly, too.  What is still owed goes to the next cycle. */
static void end_cycle(unsigned now)
{
	size_t owed = had_pause() ? 0 : load_relaxed(&x_owed) + gone_in_cycle();
	size_t again = min_size(load_relaxed(&x_faulted), owed);
	unsigned took = os_age(now, load_relaxed(&x_cycle)), before = load_relaxed(&x_period);
	bool costly = costs(again, 20, took);

	if (costly && (before || costs(again, 4, took)))
		earn(again, max_size(took, before), now);
	store_relaxed(&x_period, costly ? took : 0);
	begin_cycle(now, min_size(owed - again, load_relaxed(&arena_counters.x_peak)));
}

/* A drop begins a cycle of its own if nothing has fallen free for a while, and the refaults since
 * then cost next to nothing. */
static bool begins_anew(unsigned now)
{
	return os_age(now, load_relaxed(&x_fell)) >= RETAIN_WINDOW_MIN &&
	       !costs(load_relaxed(&x_faulted), 20, os_age(now, load_relaxed(&x_cycle)));
}

/* Far more has gone back in this cycle than the cycles with credit were about. */
static bool is_larger_drop(void)
{
	if (BUG(credit_for_larger))
		return false;
	return gone_in_cycle() > 2 * load_relaxed(&x_retain_credit) + retain_limit();
}

bool retain_is_exceeded(size_t more)
{
	return arena_kept() + more > retain_for_slices();
}

/* More than the base is free.  After enough refaults that ends a cycle, and the next one begins.
 * Otherwise, if there is credit, memory stays within it, unless the drop is far larger, which ends
 * the credit.  Without credit the drop begins a cycle, or is a part of the one that goes on. */
void retain_note_drop(void)
{
	bool is_cycle = load_relaxed(&x_faulted) >= RETAIN_CYCLE;
	unsigned now;

	if (!is_cycle && retain_has_credit()) {
		if (is_larger_drop())
			store_relaxed(&x_retain_credit, 0);
		return; /* otherwise retain_expire_credit says when it ends */
	}
	now = os_milliseconds();
	if (is_cycle)
		end_cycle(now);
	else if (begins_anew(now))
		begin_cycle(now, 0);
	else
		note_gone(now);
	store_relaxed(&x_fell, now);
}

/* What is kept has been at its most, or has fallen from there by more than before. */
static void note_kept(size_t kept)
{
	size_t high = load_relaxed(&x_high);

	if (kept > high)
		store_relaxed(&x_high, kept);
	else if (high - kept > load_relaxed(&x_fall))
		store_relaxed(&x_fall, high - kept);
}

/* Notes what is kept, and at the end of a window decides on the credit; one thread does, because
 * the end of the window is a compare-and-swap.  If what was kept fell by half of the credit or
 * more, the program has taken it again: the credit stays.  Otherwise the credit shrinks to what was
 * taken, and to nothing below the limit.  A failed compare-and-swap means that another thread
 * decides. */
bool retain_expire_credit(size_t kept)
{
	unsigned now = os_milliseconds(), begun = load_relaxed(&x_window);
	size_t fall;

	note_kept(kept);
	if (BUG(credit_for_ever))
		return false;
	if (os_age(now, begun) < load_relaxed(&x_length) || !cas_acquire(&x_window, &begun, now))
		return false;
	fall = load_relaxed(&x_fall);
	begin_window(now);
	if (fall >= load_relaxed(&x_retain_credit) / 2)
		return false;
	store_relaxed(&x_retain_credit, fall < retain_limit() ? 0 : fall);
	return true;
}

/* The cycle is said to have begun long ago, so that its refaults are cheap, whatever comes. */
void retain_forget(void)
{
	store_relaxed(&x_retain_credit, 0);
	store_relaxed(&x_period, 0);
	begin_cycle(os_milliseconds() - LONG_AGO, 0);
}
