/* SPDX-License-Identifier: MIT
 *
 * cell-cover.h - which callers have a live block in a cell (cell.h).  A caller is any number.
 *
 * Owner       any thread.
 * Progress    wait-free.
 */
#ifndef ARN_CELL_COVER_H
#define ARN_CELL_COVER_H

#include "base/base.h"

/* A block of this caller has come, or has gone. */
void cell_cover(uint64_t caller);
void cell_uncover(uint64_t caller);
/* Is one there?  Others may make it seem so, which is rare: 1 in 1000 with 4000 of them. */
bool cell_is_covered(uint64_t caller);

#endif
