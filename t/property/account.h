/* SPDX-License-Identifier: MIT
 *
 * account.h - what there is while nothing moves: pools, slices and arenas, added up by what they
 * are, from the structures themselves and not from counters.
 *
 * Called by one thread, while all others stand still.
 */
#ifndef ARN_T_ACCOUNT_H
#define ARN_T_ACCOUNT_H

#include <stddef.h>

struct account {
	size_t claimed;
	size_t held;     /* of it: pools with a block that is not home */
	size_t touched;  /* the pages that those blocks are on */
	size_t stranded; /* other pools: nobody's, after a fork */
	size_t waiting;  /* pages of pools in the limbo */
	size_t space;    /* the rest of those pools */
	size_t lost;     /* pools that are in no list */
	size_t lost_pages, lost_stacks;
	size_t retained; /* free slices that may have pages, and those in stocks */
	/* the longest run of slices that a thread may have taken to give their pages back */
	size_t taken;
	/* with blocks that others have freed: of heaps with an owner, and of orphans */
	size_t remote[2];
	/* pages of heaps with an owner: of blocks that others, and that the owner has freed */
	size_t mixed;
	size_t empty[2];
	size_t begun; /* resident pages of free blocks, in one pool of each class and heap */
	size_t held_pools, stranded_heaps, peak;
	size_t arenas, arenas_used, arenas_huge; /* used: by pools, or by slices in stock */
};

struct account account_add_up(void);

#endif
