/* SPDX-License-Identifier: MIT */
#include "arena/retain.h"

#include "arena/arena.h"
#include "base/atomic.h"
#include "base/option.h"
#include "os/os.h"

static _Atomic size_t x_faulted; /* in this cycle */
static _Atomic unsigned x_cycle; /* ms, its begin */
static _Atomic unsigned x_fell;  /* ms, when memory fell free beyond the base, the last time */
/* ms that the cycle before took, if it cost more than 5 %; else 0 */
static _Atomic unsigned x_period;

static _Atomic size_t x_begun; /* what had gone back when this cycle began */
/* what had gone back by then and was not taken again; nothing from before a pause */
static _Atomic size_t x_owed;
/* ms, when memory went back the last time before the first MiB was faulted */
static _Atomic unsigned x_ended;
static _Atomic size_t x_gone;      /* and what had gone back by then */
static _Atomic unsigned x_resumed; /* ms, when that MiB was faulted */

#define LONG_AGO ((unsigned)1 << 31) /* ms, half of what the clock can tell */

_Atomic size_t x_retain_credit;
static _Atomic unsigned x_window, x_length; /* ms, begin and length of this window */
static _Atomic size_t x_high;               /* in this window: the most that was kept */
static _Atomic size_t x_fall;               /* in this window: the most that it fell from there */

/* What has no pages, be it in the pools of a thread that waits, is not in use. */
size_t retain_limit(void)
{
	size_t share = arena_with_pages() / 100 * option(OPTION_RETAIN_PERCENT);

	return max_size(option(OPTION_RETAIN), share);
}

size_t retain_base(void)
{
	return retain_limit() / 2;
}

/* Who asks for nothing to be kept gets no credit either. */
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
	return with_credit(retain_limit() / 4);
}

/* Below its peak, a program takes what it has had before. */
void retain_note_fault(size_t bytes)
{
	if (arena_in_use() < load_relaxed(&arena_counters.x_peak))
		retain_note_refault(bytes);
}

void retain_note_refault(size_t bytes)
{
	size_t before = add_relaxed(&x_faulted, bytes);

	if (before < MIB && before + bytes >= MIB)
		store_relaxed(&x_resumed, os_milliseconds());
}

/* Did it cost more than one part in so many of that time? */
static bool costs(size_t faulted, unsigned part, unsigned ms)
{
	if (BUG(credit_for_all))
		return true;
	return faulted / RETAIN_FAULTED_PER_MS * part > ms;
}

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

static size_t gone_in_cycle(void)
{
	return load_relaxed(&arena_counters.x_purged) - load_relaxed(&x_begun);
}

/* While the drop goes on. */
static void note_gone(unsigned now)
{
	size_t purged = load_relaxed(&arena_counters.x_purged);

	if (load_relaxed(&x_faulted) >= MIB || purged - load_relaxed(&x_gone) < MIB)
		return;
	store_relaxed(&x_gone, purged);
	store_relaxed(&x_ended, now);
}

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

/* More than the peak, for sizes that are others each time do not fit where the last ones were. */
static void earn(size_t faulted, size_t period, unsigned now)
{
	size_t credit = load_relaxed(&x_retain_credit),
	       length = min_size(2 * period, RETAIN_WINDOW_MAX);
	/* what purge_excess takes beyond need */
	size_t room = min_size(faulted, retain_limit() / 4);

	if (credit == 0)
		begin_window(now);
	store_relaxed(&x_length, (unsigned)max_size(length, RETAIN_WINDOW_MIN));
	store_relaxed(&x_retain_credit,
	              min_size(credit + faulted + room, 2 * load_relaxed(&arena_counters.x_peak)));
}

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

/* After a pause in which nothing to speak of was faulted, a drop begins a turn of its own. */
static bool begins_anew(unsigned now)
{
	return os_age(now, load_relaxed(&x_fell)) >= RETAIN_WINDOW_MIN &&
	       !costs(load_relaxed(&x_faulted), 20, os_age(now, load_relaxed(&x_cycle)));
}

/* What goes back since this cycle began is far more than the cycles with credit were about. */
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

void retain_note_drop(void)
{
	bool is_cycle = load_relaxed(&x_faulted) >= RETAIN_CYCLE;
	unsigned now;

	if (!is_cycle && retain_has_credit()) {
		if (is_larger_drop())
			store_relaxed(&x_retain_credit, 0);
		return; /* else retain_expire_credit says when it ends */
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

static void note_kept(size_t kept)
{
	size_t high = load_relaxed(&x_high);

	if (kept > high)
		store_relaxed(&x_high, kept);
	else if (high - kept > load_relaxed(&x_fall))
		store_relaxed(&x_fall, high - kept);
}

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

void retain_forget(void)
{
	store_relaxed(&x_retain_credit, 0);
	store_relaxed(&x_period, 0);
	begin_cycle(os_milliseconds() - LONG_AGO, 0);
}
