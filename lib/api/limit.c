/* SPDX-License-Identifier: MIT
 *
 * limit.c - arn_limit: option LIMIT, changed while the process runs.
 *
 * Every request which needs pages reads it (supply_admits), so nothing else has to be told.  What
 * differs with a limit is decided anew each time: the sums of claims are exact (tally.h), a large
 * block is not larger than what was asked for, and heaps keep no stock.  What was made before stays
 * as it is: it may count for up to a quarter more than it has pages.
 */
#include "api/process.h"
#include "arena/budget.h"

#include <arenite/arenite.h>

#define GREATEST ((size_t)1 << 46) /* of option LIMIT */

size_t arn_limit(size_t bytes)
{
	process_init();
	if (bytes == SIZE_MAX)
		return option_limit();
	return budget_set_limit(min_size(bytes, GREATEST));
}
