/* SPDX-License-Identifier: MIT
 *
 * queued.h - is a pool in the list of its heap's pools that others have freed to, or about to be?
 * See remote.h, R1.
 */
#ifndef ARN_QUEUED_H
#define ARN_QUEUED_H

#include "arena/pool.h"

enum { UNQUEUED, QUEUED, AWAITED };

/* May an empty pool be released?  If not, it is or will be in the list, and its drain asks
 * again. */
static inline bool queued_may_release(const struct pool *pool)
{
	uint32_t queued = QUEUED;

	if (BUG(release_queued))
		return true;
	if (load_seq(&pool->bits->x_queued) == UNQUEUED) /* R1 */
		return true;
	if (BUG(unawaited))
		return false;
	return !cas_seq(&pool->bits->x_queued, &queued, AWAITED) && queued == UNQUEUED; /* R1 */
}

#endif
