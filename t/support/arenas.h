/* SPDX-License-Identifier: MIT
 *
 * arenas.h - what a test expects of the arenas in the end: there are none any more.
 */
#ifndef ARN_T_ARENAS_H
#define ARN_T_ARENAS_H

#include "arena/arena.h"
#include "arena/supply.h"
#include "support/core.h"

static void expect_no_arenas(void)
{
	struct arena_totals totals;

	arena_totals(&totals);
	if (totals.arenas || totals.mapped || totals.claimed || totals.retained)
		note("arenas %zu, mapped %zu, claimed %zu, retained %zu", totals.arenas,
		     totals.mapped, totals.claimed, totals.retained);
	expect(!totals.arenas && !totals.mapped && !totals.claimed && !totals.retained);
}

static inline void expect_none_after_trim(void)
{
	supply_trim();
	expect_no_arenas();
}

#endif
