/* SPDX-License-Identifier: MIT
 *
 * numbers.h - in the place of lib/arena/summary.c for models: any arena may have anything, so each
 * is looked at.  That the numbers lead to what there is, is the subject of t/model/summary.c.
 */
#ifndef ARN_T_NUMBERS_H
#define ARN_T_NUMBERS_H

#include "arena/registry.h"
#include "arena/summary.h"

unsigned summary_find(enum summary_kind kind, unsigned from, unsigned low, unsigned high)
{
	(void)low, (void)high;
	for (; from < registry_count(); from++)
		if ((kind == SUMMARY_VACANT) == (registry_entry(from) == NULL))
			return from;
	return ARENAS_MAX;
}

unsigned summary_find_all(enum summary_kind kind, unsigned from, unsigned end, unsigned low,
                          unsigned high)
{
	(void)kind, (void)from, (void)end, (void)low, (void)high;
	return ARENAS_MAX;
}

unsigned summary_find_before(enum summary_kind kind, unsigned below, unsigned low)
{
	(void)kind, (void)low;
	below = min_size(below, registry_count());
	return below > 0 ? below - 1 : ARENAS_MAX;
}

unsigned summary_get(enum summary_kind kind, unsigned entry)
{
	(void)kind, (void)entry;
	return SUMMARY_MOST;
}

void summary_mend(enum summary_kind kind, unsigned entry)
{
	(void)kind, (void)entry;
}

void summary_raise(enum summary_kind kind, unsigned entry, unsigned least)
{
	(void)kind, (void)entry, (void)least;
}

bool summary_lower(enum summary_kind kind, unsigned entry, unsigned seen, unsigned now)
{
	(void)kind, (void)entry, (void)seen, (void)now;
	return false;
}

void summary_clear(unsigned entry)
{
	(void)entry;
}

#endif
