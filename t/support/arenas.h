/* SPDX-License-Identifier: MIT
 *
 * arenas.h - what a test that has trimmed expects of the arenas: there are none any more.
 */
#ifndef ARN_T_ARENAS_H
#define ARN_T_ARENAS_H

#include "arena/arena.h"
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

#endif
