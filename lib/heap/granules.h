/* SPDX-License-Identifier: MIT
 *
 * granules.h - the granules of a pool (sweep.h): how large they are, and how their pages go back.
 *
 * A call that gives pages back costs as much as several pages do, and more in a process that runs
 * on many processors, each of which is told to forget the addresses.  So runs of granules of many
 * pools are gathered in a batch, and go back in one call where the system has that.
 *
 * Owner       whoever has all blocks of the granules, their bits being in no word any more
 * Progress    wait-free, a system call for GRANULES_RUNS runs
 */
#ifndef ARN_GRANULES_H
#define ARN_GRANULES_H

#include "heap/types.h"

#include <sys/uio.h>

#define GRANULES_RUNS 64u

/* Runs of granules that are to go back together.  It begins with n = 0. */
struct granules_batch {
	unsigned n;
	struct iovec range[GRANULES_RUNS];
	struct pool *pool[GRANULES_RUNS];
	uint64_t run[GRANULES_RUNS];
};

static inline unsigned granules_shift(const struct pool *pool)
{
	return pool->bits->granule_shift;
}

/* How many bytes these granules are.  A large pool has one, which is all of it. */
size_t granules_bytes(const struct pool *pool, uint64_t granules);
/* They have no pages any more.  Another thread may mark others of the same pool meanwhile. */
void granules_mark_clean(struct pool *pool, uint64_t granules);
/* Add all runs of these granules.  If the batch is full, it goes back before: returns the bytes. */
size_t granules_add(struct granules_batch *batch, struct pool *pool, uint64_t granules);
/* Give back what is in the batch, which is empty afterwards.  Runs that the system refuses keep
 * their pages, and are not marked.  Returns the bytes that went back. */
size_t granules_purge(struct granules_batch *batch);

#endif
