/* SPDX-License-Identifier: MIT
 *
 * summary - A3: something becomes free, and its thread raises the number that says so, while
 * another thread takes what was free before and lowers the number.  The numbers are those of
 * lib/arena/summary.c as it is; what they tell of is a bitmap of two slices.
 *
 * In the end the number is not lower than what is free, on each level.
 */
#define ARENAS_MAX    64u
#define SUMMARY_WORDS 1u

#include "litmus.h"

#include "../lib/arena/summary.c"

enum { ENTRY = 0, KIND = 0 };

static _Atomic uint64_t x_free = 1;

static unsigned free_now(void)
{
	return count_bits(BUG(relaxed_field) ? load_relaxed(&x_free) : load_seq(&x_free)) > 0;
}

static void *release_one(void *unused)
{
	if (BUG(relaxed_field))
		or_release(&x_free, 2);
	else
		or_seq(&x_free, 2); /* A3 */
	summary_raise(KIND, ENTRY, 1);
	return unused;
}

/* Finds the number too high, lowers it, and looks once more. */
static void *claim_one(void *unused)
{
	if (BUG(relaxed_field))
		atomic_fetch_and_explicit(&x_free, ~(uint64_t)1, memory_order_acq_rel);
	else
		and_seq(&x_free, ~(uint64_t)1); /* A1, A4 */
	if (free_now() == 0 && summary_lower(KIND, ENTRY, 1, 0) && free_now() != 0)
		summary_raise(KIND, ENTRY, 1);
	return unused;
}

int main(void)
{
	static litmus_thread *const threads[] = { release_one, claim_one };

	summary_raise(KIND, ENTRY, 1);
	run_threads(threads, 2);
	for (unsigned level = 0; level <= TOP; level++)
		assert(number_in(load_relaxed(word_of(KIND, level, 0)), 0) >= free_now());
	return 0;
}
