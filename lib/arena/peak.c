/* SPDX-License-Identifier: MIT */
#include "arena/peak.h"

#include "arena/purge.h"
#include "arena/retain.h"
#include "os/os.h"

/* Gives back some of what is kept, because more is resident than ever was.  What grows will hardly
 * stop at once, so the callers ask for twice of what it has grown by. */
static size_t give_back(size_t bytes)
{
	size_t retained = tally_read(&arena_counters.x_retained), keep = retain_base() / 8, done;

	if (retained <= keep || !os_takes_pages())
		return 0;
	bytes = min_size(retained - keep, retain_may_trade(bytes));
	done = bytes ? purge_to(retained - bytes) : 0;
	retain_note_trade(done);
	return done;
}

/* ---- Arenite's peak -------------------------------------------------------------------------- */

/* A program has paid for the pages by which Arenite grows, and may pay a part of that again for
 * what goes back in their place. */
#define TRADES_PART 6u

/* While there is credit: what Arenite had resident when the process was seen at its peak. */
static _Atomic size_t x_level = SIZE_MAX;

/* What was resident before the claim is noted, if it is more than ever.  Less than 1/256 more is
 * not noted, because all threads write to the peak. */
static size_t raise_peak(size_t resident)
{
	size_t peak = load_relaxed(&arena_counters.x_peak);

	while (peak < resident - resident / 256)
		if (cas_acquire(&arena_counters.x_peak, &peak, resident)) {
			retain_add_trades((resident - peak) / TRADES_PART);
			return resident;
		}
	return max_size(peak, resident);
}

size_t peak_make_up(const struct run *run)
{
	size_t clean = run->clean * SLICE, resident = arena_resident(), growth;
	size_t peak = raise_peak(resident - min_size(resident, clean));

	peak = min_size(peak, load_relaxed(&x_level));
	growth = min_size(clean, resident - min_size(resident, peak));
	return growth ? growth - min_size(growth, give_back(2 * growth)) : 0;
}

/* ---- the peak of the process ----------------------------------------------------------------- */

/* Growth that is less than GROWTH_LEAST waits until there is more of it.  No call should take long,
 * so of growth that is more than GROWTH_MOST since the last look the rest is ignored. */
#define GROWTH_LEAST (256 * KIB)
#define GROWTH_MOST  MIB
/* So much of the growth is added to what may be traded.  With all of it the peak of ten kinds of
 * data is 2 to 5 % lower under the preload, and loops that grow from lap to lap take 1 to 2 %
 * longer. */
#define GROWTH_PART 3u

/* The most that the process had resident, as the system said at the last look, and when that was,
 * ms; 0 while there is no credit. */
static _Atomic size_t x_process;
static _Atomic unsigned x_looked;

/* What the process grows by while there is no credit is not in the way of anything that is kept. */
static void forget_process(void)
{
	if (load_relaxed(&x_process) == 0)
		return;
	store_relaxed(&x_process, 0);
	store_relaxed(&x_level, SIZE_MAX);
}

/* By how much the process has grown since the last look.  The first look has none before it. */
static size_t note_process(void)
{
	size_t before = load_relaxed(&x_process), most = os_peak_resident(), growth;

	if (BUG(overlook_process) || (before && most < before + GROWTH_LEAST))
		return 0;
	store_relaxed(&x_process, most);
	growth = before ? most - before : 0;
	return BUG(grow_at_once) ? growth : min_size(growth, GROWTH_MOST);
}

/* When the process has grown, Arenite is to have no more than it has now.  Where the process has
 * not grown although Arenite has more, the others have less, and that is well. */
size_t peak_look(void)
{
	unsigned now, looked = load_relaxed(&x_looked);
	size_t resident, growth;

	if (!retain_has_credit()) {
		forget_process();
		return 0;
	}
	now = os_milliseconds();
	if (looked == now || !cas_acquire(&x_looked, &looked, now))
		return 0;
	resident = arena_resident();
	growth = note_process();
	if (growth > 0 || resident > load_relaxed(&x_level))
		store_relaxed(&x_level, resident);
	if (growth == 0)
		return 0;
	retain_add_trades(growth / GROWTH_PART);
	return growth - min_size(growth, give_back(2 * growth));
}
