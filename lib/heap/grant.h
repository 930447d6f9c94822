/* SPDX-License-Identifier: MIT
 *
 * grant.h - how many bytes a heap may keep for itself, in its stock (stock.h) and in pools that
 * wait for readers (wait.h).
 *
 * Earned      A heap gets a grant only if it has lately claimed slices again after it had released
 *             some: one that drops its pools and takes no new ones has none.
 * Bound       All grants together are at most half of what may be kept (retain.h), so that
 *             releases to the arenas do not have to purge each time.
 * Borrowed    A heap that claims and releases slices all the time, 64 times a ms and more, spends
 *             its time on cache lines that all threads share, and so does every thread beside it.
 *             Such a heap borrows what the bound denies it, and all of them together 2 MiB for each
 *             processor.  It repays that once STOCK_WINDOW of its slow paths take longer than half
 *             a second, or when it lowers its grant.
 *
 * Synchronization      admits  rest  lower
 *     admits, rest       O      O      -    O  the user of the heap
 *     lower              -      -      -    -  any thread, at any time
 * Invariant   the sum of x_grant = arena_counters.x_granted, and the sum of x_borrowed =
 *             retain_borrowed(), while no thread is in here.
 * Progress    wait-free.
 */
#ifndef ARN_GRANT_H
#define ARN_GRANT_H

#include "heap/types.h"

/* Slices that a pool of the heap has left were claimed again. */
void grant_note_miss(struct heap *heap);
/* Has the heap lately claimed slices again that it had released? */
bool grant_is_earned(const struct heap *heap);
/* Is there room in the grant for so many bytes in all, perhaps after it was raised? */
bool grant_admits(struct heap *heap, size_t bytes);
/* The heap keeps so many bytes now. */
static inline void grant_note_kept(struct heap *heap, size_t bytes)
{
	heap->grant_most = max_size(heap->grant_most, bytes);
}
/* Called by the owner every STOCK_WINDOW slow paths, while it keeps so many bytes: what was not
 * used since the last call is not granted any more.  true: what is borrowed is due. */
bool grant_rest(struct heap *heap, size_t kept);
/* Lower the grant to `keep` bytes. */
void grant_lower(struct heap *heap, size_t keep);

#endif
