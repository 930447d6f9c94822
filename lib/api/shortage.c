/* SPDX-License-Identifier: MIT */
#include "api/shortage.h"

#include "api/collect.h"
#include "arena/tally.h"
#include "os/os.h"

#include <arenite/arenite.h>

/* When the turn was taken the last time, and how long it is until the next one, ms: at the soft
 * limit, and where it is urgent. */
static _Atomic unsigned x_begun, x_pause, x_urgent_pause;
/* A request was refused since the last turn. */
static _Atomic bool x_refused;

/* Called in the interpreter.  What the collection has freed is given back, also to heaps whose
 * owners do nothing.  Then it has helped or not. */
static void collected(unsigned ms)
{
	arn_trim();
	budget_look();
	store_relaxed(&x_pause, (unsigned)max_size(SHORTAGE_PAUSE, SHORTAGE_PART * (size_t)ms));
	if (budget_state() != BUDGET_URGENT)
		store_relaxed(&x_urgent_pause, 0);
}

void shortage_init(void)
{
	if (!budget_is_watched())
		return;
	store_relaxed(&x_begun, os_milliseconds() - SHORTAGE_PAUSE);
	collect_on_end(collected);
}

/* Of the threads that come at the same time, one gets the turn. */
static bool take_turn(unsigned now)
{
	unsigned begun = load_relaxed(&x_begun);
	bool urgent = budget_state() == BUDGET_URGENT || load_relaxed(&x_refused);
	unsigned pause = urgent ? load_relaxed(&x_urgent_pause) : load_relaxed(&x_pause);

	return os_age(now, begun) >= pause && cas_acq_rel(&x_begun, &begun, now);
}

/* Until a collection says that it has helped, the next turn has to wait, be it urgent or not. */
static void relieve(void)
{
	store_relaxed(&x_pause, SHORTAGE_PAUSE);
	store_relaxed(&x_urgent_pause, SHORTAGE_PAUSE);
	store_relaxed(&x_refused, false);
	arn_trim();
	collect_ask();
}

void shortage_look(unsigned now)
{
	if ((budget_poll(now) || load_relaxed(&x_refused)) && budget_is_short() && take_turn(now))
		relieve();
}

bool shortage_counts_foreign(void)
{
	return budget_is_watched();
}
EXPORT_PRIVATE(shortage_counts_foreign);

bool shortage_admits_foreign(size_t bytes)
{
	budget_note_foreign(bytes);
	shortage_look(os_milliseconds());
	return budget_admits_foreign(bytes);
}
EXPORT_PRIVATE(shortage_admits_foreign);

void *shortage_refuse(size_t bytes)
{
	if (budget_is_bounded()) {
		budget_note_refusal(bytes);
		store_relaxed(&x_refused, true);
		tally_ask_look();
	}
	return NULL;
}
