/* SPDX-License-Identifier: MIT */
#include "arena/budget.h"

#include "arena/arena.h"
#include "base/usdt.h"
#include "os/cgroup.h"
#include "os/os.h"

_Atomic unsigned x_budget_state, x_budget_flags;
_Atomic size_t x_budget_keep = SIZE_MAX;

/* What `counted` is at the marks. */
static _Atomic size_t x_hard = SIZE_MAX;
/* A look is due when `counted` is this. */
static _Atomic size_t x_next = SIZE_MAX;
/* When the last turn was taken, ms; or so long ago that a look is due now. */
static _Atomic unsigned x_looked;
static _Atomic size_t x_foreign; /* bytes that others have handed out, as far as was told */
static _Atomic size_t x_refusals;
static size_t soft_percent; /* written by budget_init */

/* What this thread may still have of what is kept. */
static __thread struct allowance {
	bool given, refused; /* refused: it was given because a request was refused */
	unsigned since;      /* ms */
	size_t bytes;
} allowance;
static __thread size_t untold; /* bytes that this thread has taken since it compared the counts */

/* The least that left_for_foreign has been since there was much left; 0 or less. */
static _Atomic intptr_t x_lowest;

static size_t counted(void)
{
	return arena_resident() + load_relaxed(&x_foreign);
}

static void set_flag(unsigned flag, bool is_set)
{
	if (is_set)
		or_acq_rel(&x_budget_flags, flag); /* B1 */
	else
		and_acq_rel(&x_budget_flags, ~flag); /* B1 */
}

/* ---- a look ---------------------------------------------------------------------------------- */

/* What is left below the limits; INTPTR_MAX where there is none. */
struct left {
	intptr_t soft, hard;
};

static intptr_t left_of(size_t limit, size_t used)
{
	return (intptr_t)min_size(limit, PTRDIFF_MAX) - (intptr_t)min_size(used, PTRDIFF_MAX);
}

static void lower(intptr_t *left, intptr_t other)
{
	if (other < *left)
		*left = other;
}

/* One level: percentages are of its limit. */
static void add_level(struct left *left, const struct cgroup_use *use)
{
	size_t hard = option_percent(OPTION_LIMIT);

	if (soft_percent)
		lower(&left->soft, left_of(use->limit / 100 * soft_percent, use->used));
	if (hard)
		lower(&left->hard, left_of(use->limit / 100 * hard, use->used));
}

static void read_left(struct left *left)
{
	struct cgroup_use use;

	*left = (struct left){ INTPTR_MAX, INTPTR_MAX };
	for (unsigned level = 0; level < cgroup_levels(); level++)
		if (cgroup_read(level, &use))
			add_level(left, &use);
	if (option(OPTION_SOFT_LIMIT) && cgroup_read_own(&use))
		lower(&left->soft, left_of(option(OPTION_SOFT_LIMIT), use.used));
}

/* What is left until requests that are not small are refused. */
static intptr_t left_to_refusal(const struct left *left)
{
	return left->hard == INTPTR_MAX ? INTPTR_MAX : left->hard - (intptr_t)BUDGET_KEPT;
}

/* What is left until half of the way from the soft limit to a refusal: there it is urgent. */
static intptr_t left_to_urgency(const struct left *left)
{
	return left_to_refusal(left) / 2 + left->soft / 2;
}

/* Memory is short until there is some distance to the soft limit again, so that the state does not
 * change with each page. */
static enum budget_state judge(const struct left *left)
{
	intptr_t margin = budget_is_short() ? (intptr_t)(4 * BUDGET_STEP) : 0;

	if (left->soft > margin && left->hard > margin)
		return BUDGET_AMPLE;
	return left_to_urgency(left) <= 0 ? BUDGET_URGENT : BUDGET_SHORT;
}

/* How much may be handed out until the next look: half of the way to the soft limit; from there to
 * where it is urgent; then a step each. */
static size_t next_look(const struct left *left)
{
	intptr_t next = left->soft > 0 ? left->soft / 2 : left_to_urgency(left);

	if (left->soft == INTPTR_MAX && left->hard == INTPTR_MAX)
		return SIZE_MAX / 2;
	return max_size(next > 0 ? (size_t)next : 0, BUDGET_STEP);
}

static size_t mark_at(size_t base, intptr_t left)
{
	if (left == INTPTR_MAX)
		return SIZE_MAX;
	return left >= 0 ? base + (size_t)left : base - min_size(base, (size_t)-left);
}

static void note_lowest(intptr_t left)
{
	if (left > 2 * (intptr_t)BUDGET_KEPT)
		store_relaxed(&x_lowest, 0);
}

static void enter_state(enum budget_state state)
{
	store_relaxed(&x_budget_state, state);
	set_flag(BUDGET_SCARCE, state != BUDGET_AMPLE);
	store_relaxed(&x_budget_keep, state == BUDGET_AMPLE ? SIZE_MAX : 0);
	store_relaxed(&x_tally_exact, state != BUDGET_AMPLE);
}

/* `counted` is read first: what is handed out while the kernel is asked is counted twice rather
 * than not at all. */
void budget_look(void)
{
	size_t base = counted();
	struct left left;

	read_left(&left);
	store_relaxed(&x_hard, mark_at(base, left.hard));
	store_relaxed(&x_next, base + next_look(&left));
	enter_state(judge(&left));
	note_lowest(left.hard);
}

/* Much was handed out since the last look, so the next one is due now, in any slow path.  The next
 * mark is there when that is done; a thread that is stopped before that leaves it to the clock. */
static void note_growth(void)
{
	untold = 0;
	if (counted() < load_relaxed(&x_next))
		return;
	store_relaxed(&x_next, SIZE_MAX);
	store_relaxed(&x_looked, os_milliseconds() - BUDGET_EVERY);
	tally_ask_look();
}

/* A look is due, and of several threads one has the turn. */
static bool take_turn(unsigned now)
{
	unsigned looked = load_relaxed(&x_looked);

	if (likely(os_age(now, looked) < BUDGET_EVERY))
		return false;
	arn_yield_point("budget_due");
	return cas_acq_rel(&x_looked, &looked, now) || BUG(all_look);
}

bool budget_poll(unsigned now)
{
	if (likely(!take_turn(now)))
		return false;
	budget_look();
	return true;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* May the calling thread have so many bytes of what is kept?  It has an allowance for each
 * BUDGET_WHILE, and another one when a request of it was refused. */
static bool has_allowance(size_t bytes)
{
	unsigned now = os_milliseconds();

	if (!allowance.given || os_age(now, allowance.since) >= BUDGET_WHILE)
		allowance = (struct allowance){ true, false, now, BUDGET_ALLOWANCE };
	return bytes <= BUDGET_SMALL && bytes <= allowance.bytes;
}

bool budget_has_room(size_t bytes)
{
	return !(load_relaxed(&x_budget_flags) & BUDGET_SIZED) &&
	       counted() + bytes + BUDGET_KEPT <= load_relaxed(&x_hard);
}

/* The allowance is used up by all that the thread takes, also where it would not need it. */
void budget_note_taken(size_t bytes)
{
	allowance.bytes -= min_size(allowance.bytes, bytes);
	untold += bytes;
	if (untold >= BUDGET_TELL)
		note_growth();
}

/* What is kept is taken off the mark, unless the request is for a part of it. */
size_t budget_limit(size_t pages, size_t bytes)
{
	size_t limit = option_limit() ? option_limit() : SIZE_MAX;
	size_t hard = load_relaxed(&x_hard), kept = BUDGET_KEPT;

	if (hard == SIZE_MAX)
		return limit;
	hard -= min_size(hard, load_relaxed(&x_foreign));
	if (pages + bytes + kept > hard && has_allowance(bytes)) {
		kept = 0;
		hard += allowance.refused ? BUDGET_RESERVE : 0;
	}
	hard -= min_size(hard, kept);
	return min_size(limit, max_size(hard, BUDGET_LEAST));
}

void budget_note_refusal(size_t bytes)
{
	usdt_limit_refused(bytes);
	add_relaxed(&x_refusals, 1);
	allowance = (struct allowance){ true, true, os_milliseconds(), BUDGET_ALLOWANCE };
}

size_t budget_refusals(void)
{
	return load_relaxed(&x_refusals);
}

void budget_note_foreign(size_t bytes)
{
	add_relaxed(&x_foreign, bytes);
	note_growth();
}

static intptr_t left_for_foreign(void)
{
	return (intptr_t)load_relaxed(&x_hard) - (intptr_t)(counted() + BUDGET_KEPT);
}

/* A look shows whether the kernel's count has risen since the last refusal. */
bool budget_admits_foreign(size_t bytes)
{
	intptr_t left;

	if (load_relaxed(&x_hard) == SIZE_MAX || load_relaxed(&x_foreign) < BUDGET_LEAST ||
	    left_for_foreign() >= 0)
		return true;
	budget_look();
	left = left_for_foreign();
	if (left >= load_relaxed(&x_lowest))
		return true;
	if (has_allowance(bytes)) {
		budget_note_taken(bytes);
		return true;
	}
	store_relaxed(&x_lowest, left);
	budget_note_refusal(bytes);
	return false;
}

/* ---- LIMIT as a size ------------------------------------------------------------------------- */

/* Several threads may change the limit at the same time.  Each of them changes the limit first, and
 * looks at it once more when it has changed the flag.  The one that is the last to change the flag
 * sees what the others have written before they changed it, so in the end the two agree. */
static void note_limit(void)
{
	size_t limit;

	do {
		limit = option_limit();
		arn_yield_point("budget_limit");
		set_flag(BUDGET_SIZED, limit != 0);
	} while ((limit != 0) != (option_limit() != 0) && !BUG(limit_once));
}

size_t budget_set_limit(size_t bytes)
{
	size_t before = exchange_setting(&option_values[OPTION_LIMIT], bytes);

	note_limit();
	return before;
}

/* ---- the start ------------------------------------------------------------------------------- */

/* A limit that is too low for any program is not taken, because no Python starts under it. */
static void refuse_if_low(enum option option)
{
	struct cgroup_use use;

	for (unsigned level = 0; level < cgroup_levels(); level++)
		if (option_percent(option) && cgroup_read(level, &use) &&
		    use.limit / 100 * option_percent(option) < BUDGET_LEAST)
			option_refuse(option,
			              " is less than the 32M that Python needs to start; it is "
			              "not in force");
}

/* Where there is a hard limit that the kernel counts, there is a soft one below it: a collection
 * takes place some time after it was asked for. */
static size_t choose_soft(void)
{
	size_t hard = option_percent(OPTION_LIMIT), soft = option_percent(OPTION_SOFT_LIMIT);

	if (soft || option(OPTION_SOFT_LIMIT))
		return soft;
	return hard > BUDGET_BELOW ? hard - BUDGET_BELOW : hard;
}

size_t budget_soft_percent(void)
{
	return soft_percent;
}

void budget_init(void)
{
	if (option_percent(OPTION_LIMIT) || option_percent(OPTION_SOFT_LIMIT) ||
	    option(OPTION_SOFT_LIMIT)) {
		cgroup_find(option_cgroup_tree());
		refuse_if_low(OPTION_LIMIT);
		refuse_if_low(OPTION_SOFT_LIMIT);
	}
	soft_percent = choose_soft();
	set_flag(BUDGET_WATCHED, soft_percent || option(OPTION_SOFT_LIMIT));
	set_flag(BUDGET_MARKED, option_percent(OPTION_LIMIT) != 0);
	note_limit();
	enter_state(BUDGET_AMPLE);
	if (!budget_is_watched())
		return;
	store_relaxed(&x_looked, os_milliseconds());
	budget_look();
}

void budget_note_python(void)
{
	size_t limit = option_limit();

	if (limit == 0 || limit >= BUDGET_PYTHON)
		return;
	option_refuse(OPTION_LIMIT,
	              " is less than the 4M that Python needs to start; it is not in force");
	note_limit();
}
