/* SPDX-License-Identifier: MIT
 *
 * shortage.h - what is done when memory is short (arena/budget.h).
 *
 * At the soft limit what can be given back is, other threads are asked to trim their heaps in their
 * next slow path, and Python is asked for a collection.  That is done at most once in
 * SHORTAGE_PAUSE, and for at most one of SHORTAGE_PART parts of the time.
 *
 * Where it is urgent, the same is done at once if the last collection has helped, and else as
 * above.
 *
 * At the hard limit what a request needs is taken first from what is kept and from empty pools
 * (trim.h).  A request that is not admitted then gets NULL.
 *
 * A collection that was asked for takes place when the thread comes back to Python code, so it is
 * of use for the next requests and not for the one that has found memory short.  One request that
 * is larger than the distance between the two limits may be refused though there is garbage.
 *
 * Synchronization   any thread. One thread takes the turn, by a compare-and-swap, and the others
 *                   go on.
 * Progress          lock-free, but for collect_ask.
 */
#ifndef ARN_SHORTAGE_H
#define ARN_SHORTAGE_H

#include "arena/budget.h"
#include "heap/types.h"

#define SHORTAGE_PAUSE 1000u /* ms */
#define SHORTAGE_PART  5u    /* the part of the time that may go into it: one of five */

/* Called while there is one thread. */
void shortage_init(void);

/* It is `now`, in ms: look at the kernel's count if that is due, and do what has to be done. */
void shortage_look(unsigned now);

/* For an allocator below that was asked for `bytes` bytes since the last call: may it be asked for
 * more? */
bool shortage_admits_foreign(size_t bytes) PRIVATE(shortage_admits_foreign);
/* Are requests to other allocators to be counted? */
bool shortage_counts_foreign(void) PRIVATE(shortage_counts_foreign);

/* A request for so many bytes is refused, and Python is to collect before the next one is.  Returns
 * NULL. */
void *shortage_refuse(size_t bytes);

#endif
