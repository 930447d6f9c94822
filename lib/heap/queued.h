/* SPDX-License-Identifier: MIT
 *
 * queued.h - the states of x_queued: is a pool in its heap's list of pools with remote frees, or
 * about to be pushed there?  See remote.h, R1, and the table in doc/memory-order.md.
 */
#ifndef ARN_QUEUED_H
#define ARN_QUEUED_H

#include "arena/pool.h"

enum { UNQUEUED, QUEUED, AWAITED };

/* May an empty pool be released?  If not, a free is about to push it, or has done so: then the
 * state is AWAITED or QUEUED, and the drain that finds the pool in the list asks again.  For the
 * user of the pool's heap. */
static inline bool queued_may_release(const struct pool *pool)
{
	uint32_t queued = QUEUED;

	if (BUG(release_queued))
		return true;
	if (load_seq(&queue_entry(pool)->x_queued) == UNQUEUED) /* R1 */
		return true;
	if (BUG(unawaited))
		return false;
	return !cas_seq(&queue_entry(pool)->x_queued, &queued, AWAITED) &&
	       queued == UNQUEUED; /* R1 */
}

#endif
