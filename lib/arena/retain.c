/* SPDX-License-Identifier: MIT */
#include "arena/retain.h"

#include "arena/arena.h"
#include "arena/budget.h"
#include "base/atomic.h"
#include "base/option.h"
#include "base/usdt.h"
#include "os/os.h"

/* ---- what may be kept ------------------------------------------------------------------------ */

_Atomic size_t x_retain_credit;

/* A share of what has pages: what has none, be it in the pools of a thread that waits, is not in
 * use.  Nor is what heaps keep for themselves, and what waits for readers in empty pools: else more
 * might be kept because so much is kept, and beyond 200 % there would be no end.  While memory is
 * short (budget.h) nothing is kept. */
size_t retain_limit(void)
{
	size_t pages = arena_with_pages(), idle = load_relaxed(&arena_counters.x_granted);
	size_t share;

	if (!BUG(keep_for_kept))
		idle += tally_read(&arena_counters.x_waiting);
	share = (pages - min_size(pages, idle)) / 100 * option(OPTION_RETAIN_PERCENT);

	return max_size(option(OPTION_RETAIN), share) & load_relaxed(&x_budget_keep);
}

size_t retain_base(void)
{
	return retain_limit() / 2;
}

/* There is one credit, for slices and for pages.  Each of them may use what the other does not:
 * `others` is what is kept there, and `part` what may be kept there without credit.  A program that
 * asks for nothing to be kept (RETAIN=0 and RETAIN_PERCENT=0) gets no credit either. */
static size_t with_credit(size_t own, size_t others, size_t part)
{
	size_t credit = load_relaxed(&x_retain_credit), taken = others - min_size(others, part);

	return own ? own + credit - min_size(credit, taken) : 0;
}

static size_t for_slices_unborrowed(void)
{
	size_t limit = retain_limit();

	return with_credit(limit / 2, load_relaxed(&arena_counters.x_unswept),
	                   limit / RETAIN_PAGES_PART);
}

size_t retain_for_slices(void)
{
	return for_slices_unborrowed() + retain_borrowed();
}

size_t retain_for_grants(void)
{
	return for_slices_unborrowed() / 2;
}

size_t retain_for_pages(void)
{
	size_t limit = retain_limit();

	return with_credit(limit / RETAIN_PAGES_PART, arena_kept(), limit / 2 + retain_borrowed());
}

bool retain_is_exceeded(size_t more)
{
	return arena_kept() + more > retain_for_slices();
}

/* ---- what is borrowed ------------------------------------------------------------------------ */

static _Atomic size_t x_borrowed;

bool retain_borrow(size_t bytes)
{
	size_t most = os_processors() * RETAIN_BORROW;

	if (retain_limit() == 0 || load_relaxed(&x_borrowed) + bytes > most)
		return false;
	if (add_relaxed(&x_borrowed, bytes) + bytes <= most)
		return true;
	sub_relaxed(&x_borrowed, bytes);
	return false;
}

void retain_repay(size_t bytes)
{
	sub_relaxed(&x_borrowed, bytes);
}

size_t retain_borrowed(void)
{
	return load_relaxed(&x_borrowed);
}

/* ---- what goes back, and what is taken again ------------------------------------------------- */

/* What has gone back and may still be taken again is x_purged - x_settled.  Both only grow. */
static _Atomic size_t x_settled;
/* When memory went back or was taken again the last time, to a MiB; ms. */
static _Atomic unsigned x_moved;
/* x_purged when memory was taken again the last time, to a MiB. */
static _Atomic size_t x_resumed;
/* How many bytes a system call gave back of late, on average. */
static _Atomic size_t x_each = MIB;

static bool crosses_mib(size_t before, size_t bytes)
{
	return before / MIB != (before + bytes) / MIB;
}

/* Far more has gone back, without any of it being taken again, than the credit was about. */
static bool is_larger_drop(size_t purged)
{
	if (BUG(credit_for_larger))
		return false;
	return purged - load_relaxed(&x_resumed) >
	       2 * load_relaxed(&x_retain_credit) + retain_limit();
}

/* What may be taken again.  Two threads that settle at the same time may settle a little too
 * much. */
static size_t owed(void)
{
	size_t purged = load_relaxed(&arena_counters.x_purged);

	return purged - min_size(purged, load_relaxed(&x_settled));
}

/* Was what went back left alone for a while before it was taken again? */
static bool was_pause(void)
{
	if (BUG(overlook_pauses))
		return false;
	return os_age(os_milliseconds(), load_relaxed(&x_moved)) >= RETAIN_PAUSE;
}

/* What had gone back when x_purged was so much is free from now on. */
static void settle_until(size_t purged)
{
	store_relaxed(&x_settled, purged);
}

static void settle_all(void)
{
	settle_until(load_relaxed(&arena_counters.x_purged));
}

/* ---- budgets --------------------------------------------------------------------------------- */

/* So many bytes may still be refaulted or traded.  Processor time up to x_spent, in ms, is in it.
 * x_filled, in ms, is when that was asked for: the clock of the process is a system call that looks
 * at every thread. */
struct budget {
	_Atomic intptr_t x_left;
	_Atomic unsigned x_spent, x_filled;
};
static struct budget refaults = { RETAIN_BURST, 0, 0 }, trades = { RETAIN_TRADES, 0, 0 };

/* Adds per_ms bytes for each millisecond of processor time since the last call, up to `most`; what
 * is more than that already stays.  A thread that comes in the same millisecond finds it done. */
static void fill(struct budget *budget, size_t most, size_t per_ms)
{
	unsigned now = os_milliseconds(), last = load_relaxed(&budget->x_filled), spent;
	intptr_t left, more;

	if (now == last || !cas_acq_rel(&budget->x_filled, &last, now))
		return;
	spent = os_processor_milliseconds();
	left = load_relaxed(&budget->x_left);
	more = (intptr_t)(os_age(spent, load_relaxed(&budget->x_spent)) * per_ms);
	store_relaxed(&budget->x_spent, spent);
	if (left < (intptr_t)most)
		add_relaxed(&budget->x_left,
		            more < (intptr_t)most - left ? more : (intptr_t)most - left);
}

size_t retain_may_trade(size_t bytes)
{
	intptr_t left = load_relaxed(&trades.x_left);
	size_t least = BUG(trade_singly) ? 1 : RETAIN_TRADE_LEAST;

	bytes = max_size(bytes, least);
	if (left < (intptr_t)bytes) {
		fill(&trades, RETAIN_TRADES, RETAIN_PER_MS / 2);
		left = load_relaxed(&trades.x_left);
	}
	return left >= (intptr_t)least ? min_size(bytes, (size_t)left) : 0;
}

void retain_add_trades(size_t bytes)
{
	add_relaxed(&trades.x_left, (intptr_t)bytes);
}

void retain_note_trade(size_t bytes)
{
	sub_relaxed(&trades.x_left, (intptr_t)bytes);
}

static void begin_decay(unsigned now);

/* Credit for what was refaulted beyond the budget, and some for what is not quite alike in the next
 * lap.  It may reach twice the peak, since blocks whose sizes differ each time do not fit where the
 * last ones were. */
static void earn(size_t over)
{
	size_t credit = load_relaxed(&x_retain_credit);
	size_t peak = max_size(load_relaxed(&arena_counters.x_peak), arena_resident());

	if (credit == 0)
		begin_decay(os_milliseconds());
	add_relaxed(&refaults.x_left, (intptr_t)over);
	store_relaxed(&x_retain_credit, min_size(credit + over + over / 4, 2 * peak));
}

void retain_note_gone(size_t bytes)
{
	size_t before = add_relaxed(&arena_counters.x_purged, bytes);
	size_t each = load_relaxed(&x_each);

	usdt_purge(bytes);
	add_relaxed(&arena_counters.x_purges, 1);
	store_relaxed(&x_each, each - each / 16 + bytes / 16);
	if (!crosses_mib(before, bytes))
		return;
	if (was_pause())
		settle_until(before);
	store_relaxed(&x_moved, os_milliseconds());
	if (retain_has_credit() && is_larger_drop(before + bytes))
		store_relaxed(&x_retain_credit, 0);
}

void retain_charge(size_t bytes)
{
	intptr_t left = sub_relaxed(&refaults.x_left, (intptr_t)bytes) - (intptr_t)bytes;

	if (left < 0 && !BUG(credit_for_all)) {
		fill(&refaults, RETAIN_BURST, RETAIN_PER_MS);
		left = load_relaxed(&refaults.x_left);
	}
	if (left < 0)
		earn((size_t)-left);
}

/* Settles what is owed of these bytes.  Returns how much that was; 0 also after a pause. */
static size_t settle(size_t bytes)
{
	size_t before;

	bytes = min_size(bytes, owed());
	if (bytes == 0)
		return 0;
	if (was_pause()) {
		settle_all();
		return 0;
	}
	before = add_relaxed(&x_settled, bytes);
	if (crosses_mib(before, bytes)) {
		store_relaxed(&x_moved, os_milliseconds());
		store_relaxed(&x_resumed, load_relaxed(&arena_counters.x_purged));
	}
	return bytes;
}

/* The share of the call that gave these bytes back, as bytes that are refaulted. */
static size_t share_of_call(size_t bytes)
{
	return bytes / (load_relaxed(&x_each) / RETAIN_CALL + 1);
}

void retain_note_fault(size_t bytes)
{
	bytes = settle(bytes);
	if (bytes)
		retain_charge(bytes + share_of_call(bytes));
}

bool retain_note_claim(size_t bytes)
{
	bytes = settle(bytes);
	if (bytes)
		retain_charge(share_of_call(bytes));
	return bytes != 0;
}

/* ---- decay ----------------------------------------------------------------------------------- */

/* The least that was kept in each of the last PARTS parts of T(credit); the present one is number
 * x_part, and began at x_begun, ms. */
#define PARTS 4u
static _Atomic size_t x_least[PARTS];
static _Atomic unsigned x_part, x_begun;

/* It is not known what was kept before: as if it had been nothing. */
static void begin_decay(unsigned now)
{
	for (unsigned part = 0; part < PARTS; part++)
		store_relaxed(&x_least[part], 0);
	store_relaxed(&x_begun, now);
}

/* T(credit): as long as it takes to be allowed to refault all of the credit. */
static unsigned decay_time(size_t credit)
{
	size_t ms = credit / RETAIN_PER_MS;

	return (unsigned)min_size(max_size(ms, RETAIN_DECAY_MIN), RETAIN_DECAY_MAX);
}

/* Without the grants, which end by themselves when they are not used (heap/stock.h). */
static size_t note_kept(void)
{
	_Atomic size_t *x_now = &x_least[load_relaxed(&x_part) % PARTS];
	size_t granted = load_relaxed(&arena_counters.x_granted);
	size_t kept = arena_kept() - granted + load_relaxed(&arena_counters.x_unswept);

	if (kept < load_relaxed(x_now))
		store_relaxed(x_now, kept);
	return kept;
}

void retain_note_use(void)
{
	if (retain_has_credit())
		note_kept();
}

/* A part has ended, and the next one begins in the place of the oldest.  Returns what was kept all
 * the time in the last PARTS of them. */
static size_t end_part(size_t kept)
{
	unsigned next = load_relaxed(&x_part) + 1;
	size_t least = kept;

	for (unsigned part = 0; part < PARTS; part++)
		least = min_size(least, load_relaxed(&x_least[part]));
	store_relaxed(&x_least[next % PARTS], kept);
	store_relaxed(&x_part, next);
	return least;
}

/* One thread ends a part, because its end is a compare-and-swap.  After the credit has shrunk, what
 * is kept is looked at anew for as long as the rest of it lasts. */
bool retain_decay(void)
{
	size_t credit = load_relaxed(&x_retain_credit), kept = note_kept(), idle;
	size_t spare = retain_limit() / 4;
	unsigned now = os_milliseconds(), begun = load_relaxed(&x_begun);

	if (BUG(credit_for_ever) || os_age(now, begun) < decay_time(credit) / PARTS ||
	    !cas_acq_rel(&x_begun, &begun, now))
		return false;
	idle = end_part(kept);
	if (credit == 0 || idle <= spare)
		return false;
	store_relaxed(&x_retain_credit, credit - min_size(credit, idle - spare));
	begin_decay(now);
	return true;
}

void retain_init(void)
{
	size_t wanted = BUG(credit_unasked) ? RETAIN_FIRST : 2 * option(OPTION_RETAIN);

	store_relaxed(&x_retain_credit, min_size(RETAIN_FIRST, wanted));
}

void retain_forget(void)
{
	store_relaxed(&x_retain_credit, 0);
	store_relaxed(&refaults.x_left, (intptr_t)RETAIN_BURST);
	store_relaxed(&trades.x_left, (intptr_t)RETAIN_TRADES);
	settle_all();
	store_relaxed(&x_resumed, load_relaxed(&arena_counters.x_purged));
}
