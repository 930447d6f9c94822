/* SPDX-License-Identifier: MIT
 *
 * counts - tests of the explorer itself: it sees every order that makes a difference, sees none of
 * them twice, and finds the mistakes that only some of them show.
 */
#include "model/explore.h"

#include "support/tap.h"

enum { ROUNDS = 3 };

static _Atomic unsigned x_common, x_own[EXPLORE_THREADS], x_seen[EXPLORE_THREADS];
static unsigned long ends, outcomes;
static bool seen[1024];
static int data;

static void set_up(void)
{
	store_relaxed(&x_common, 0);
	for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
		store_relaxed(&x_own[i], 0);
		store_relaxed(&x_seen[i], 0);
	}
}

/*
 * What the threads have seen is a number here; the test counts how many different ones there are.
 */
static void finish(void)
{
	unsigned key = 0;

	for (unsigned i = 0; i < EXPLORE_THREADS; i++)
		key = key * 5 + load_relaxed(&x_seen[i]) % 5;
	outcomes += !seen[key % 1024];
	seen[key % 1024] = true;
	ends++;
}

static void add_common(void)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		add_relaxed(&x_common, 1);
}

static void add_once(void)
{
	x_seen[explore_self] = add_relaxed(&x_common, 1);
}

static void add_own(void)
{
	for (unsigned i = 0; i < 10 * ROUNDS; i++)
		add_relaxed(&x_own[explore_self], 1);
}

static void read_common(void)
{
	x_seen[explore_self] = load_relaxed(&x_common);
}

/*
 * Each thread writes one word and reads the other.  With seq_cst at most one of them reads the old
 * value.
 */
static void write_and_look(void)
{
	store_seq(&x_own[explore_self], 1);
	x_seen[explore_self] = load_seq(&x_own[1 - explore_self]);
}

static void add_in_two_steps(void)
{
	unsigned old = load_relaxed(&x_common);

	store_relaxed(&x_common, old + 1);
}

static void finish_sum(void)
{
	explore_check(load_relaxed(&x_common) == 2);
}

static void hand_over(void)
{
	explore_touch(&data, true);
	store_release(&x_common, 1);
}

static void hand_over_relaxed(void)
{
	explore_touch(&data, true);
	store_relaxed(&x_common, 1);
}

static void take_over(void)
{
	if (load_acquire(&x_common))
		explore_touch(&data, true);
}

static void no_finish(void)
{
}

struct expected {
	struct explore_model model;
	bool passes;
	unsigned long ends, outcomes; /* 0: does not matter */
};

static const struct expected table[] = {
	{ { "what has nothing in common has one order",
	    set_up,
	    { add_own, add_own, add_own },
	    finish,
	    NULL },
	  true,
	  1,
	  1 },
	{ { "two threads, three steps each: 6 over 3",
	    set_up,
	    { add_common, add_common },
	    finish,
	    NULL },
	  true,
	  20,
	  1 },
	{ { "three threads, one step each: 3!",
	    set_up,
	    { add_once, add_once, add_once },
	    finish,
	    NULL },
	  true,
	  6,
	  6 },
	{ { "four: 4!", set_up, { add_once, add_once, add_once, add_once }, finish, NULL },
	  true,
	  24,
	  24 },
	{ { "readers have no order among each other",
	    set_up,
	    { add_common, read_common, read_common },
	    finish,
	    NULL },
	  true,
	  16,
	  16 },
	{ { "write one, read the other", set_up, { write_and_look, write_and_look }, finish, NULL },
	  true,
	  3,
	  3 },
	{ { "a lost update is found",
	    set_up,
	    { add_in_two_steps, add_in_two_steps },
	    finish_sum,
	    NULL },
	  false,
	  0,
	  0 },
	{ { "released and acquired data",
	    set_up,
	    { hand_over, take_over, read_common },
	    no_finish,
	    NULL },
	  true,
	  0,
	  0 },
	{ { "a race is found", set_up, { hand_over_relaxed, take_over }, no_finish, NULL },
	  false,
	  0,
	  0 },
};

int main(void)
{
#if defined(ARN_TSAN) || defined(ARN_ASAN)
	skip(1, "coroutines: nothing to see for a sanitizer");
	return done();
#endif
	for (unsigned i = 0; i < array_length(table); i++) {
		const struct expected *row = &table[i];
		bool passes;

		ends = outcomes = 0;
		for (unsigned k = 0; k < array_length(seen); k++)
			seen[k] = false;
		passes = explore(&row->model, 0, 0);
		ok(passes == row->passes &&
		           (!row->ends || (ends == row->ends && outcomes == row->outcomes)),
		   "%s: %lu orders, %lu outcomes", row->model.name, ends, outcomes);
	}
	return done();
}
