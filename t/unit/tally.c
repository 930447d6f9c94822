/* SPDX-License-Identifier: MIT
 *
 * tally - sums of all threads that are added up in steps: nothing is lost or counted twice, and
 * what is missing stays within its bound.
 */
#include "support/core.h"

#include "arena/budget.h"
#include "arena/reclaim.h"
#include "arena/tally.h"
#include "base/option.h"

enum { WORKERS = 4, STEPS = 20000 };

#define CLAIMED (&arena_counters.x_claimed)
#define KEPT    (&arena_counters.x_retained)

static _Atomic size_t x_added[WORKERS];

/* Each thread adds and takes off what it likes, of its own and of what others have added. */
static void work(unsigned self)
{
	struct rng rng = rng_start(self);

	reclaim_enter();
	reclaim_exit();
	for (unsigned i = 0; i < tap_scale(STEPS); i++) {
		size_t bytes = rng_below(&rng, 100) * KIB;

		if (rng_below(&rng, 3)) {
			tally_add(KEPT, bytes);
			count_add(&x_added[self], bytes);
		} else {
			tally_sub(KEPT, bytes);
			count_sub(&x_added[self], bytes);
		}
	}
}

static void test_exact(void)
{
	size_t before = tally_read_all(KEPT), sum = 0;

	threads(WORKERS, work);
	for (unsigned i = 0; i < WORKERS; i++)
		sum += load_relaxed(&x_added[i]);
	expect(tally_read_all(KEPT) - before == sum);
	tally_sub(KEPT, sum);
	expect(tally_read_all(KEPT) == before);
	no_errors("nothing is lost or counted twice");
}

/* ---- the bound ------------------------------------------------------------------------------- */

enum { PARTS = 200 };

static struct tally_part part[PARTS];

/* As if this was another thread. */
static void as_part(unsigned i, size_t bytes)
{
	struct tally_part *own = tally_own;

	tally_own = &part[i];
	tally_add(KEPT, bytes);
	tally_own = own;
}

static void test_bound(void)
{
	size_t bound = option(OPTION_RETAIN) / 2 / 6, before = tally_read_all(KEPT), all;

	for (unsigned i = 0; i < PARTS; i++)
		tally_new_part(&part[i]);
	for (unsigned i = 0; i < 50 * PARTS; i++) {
		as_part(i % PARTS, 200);
		all = tally_read_all(KEPT);
		expect(all == before + (i + 1) * 200);
		/* What the workers have taken off and not added is missing, too. */
		expect(all <= tally_read(KEPT) + bound && tally_read(KEPT) <= all + bound);
	}
	expect(tally_read(KEPT) != all);
	for (unsigned i = 0; i < 50 * PARTS; i++)
		as_part(i % PARTS, 0 - (size_t)200);
	expect(tally_read_all(KEPT) == before);
	no_errors("with 200 threads, less than a sixth of the bound is missing");
}

static void test_own(void)
{
	size_t before = tally_read(KEPT);

	reclaim_enter();
	reclaim_exit();
	tally_add(KEPT, 1);
	expect(tally_own && tally_read(KEPT) == before + 1);
	tally_sub(KEPT, 1);
	no_errors("a thread sees what it has added itself");
}

static void test_limit(void)
{
	size_t before = load_relaxed(KEPT);

	budget_set_limit(MIB);
	as_part(0, 1);
	expect(load_relaxed(KEPT) == before + 1);
	as_part(0, 0 - (size_t)1);
	budget_set_limit(0);
	no_errors("with a limit nothing is put off");
}

static void test_large(void)
{
	size_t missing;

	tally_add(CLAIMED, 256 * MIB);
	as_part(0, 100); /* of the other sum: it has its own bound */
	missing = tally_read_all(CLAIMED) - load_relaxed(CLAIMED);
	expect(missing <= tally_read_all(CLAIMED) / 16);
	as_part(0, 0 - (size_t)100);
	tally_sub(CLAIMED, 256 * MIB);
	no_errors("the more is claimed, the larger are the steps");
}

int main(void)
{
	test_own();
	test_exact();
	test_bound();
	test_limit();
	test_large();
	return done();
}
