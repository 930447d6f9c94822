/* SPDX-License-Identifier: MIT
 *
 * reclaim-own.c - Arenite's own readers: each thread has a word that counts how many sections it is
 * in.  Built unless configure --with-liburcu.
 *
 * Where the system can make a full barrier in all threads (membarrier) for the side that asks, the
 * reader's store of its word costs no barrier of its own.
 */
#include "arena/reclaim-reader.h"

#include "os/os.h"

static bool asymmetric; /* the system makes the barriers; written while there is one thread */

__attribute__((constructor)) static void start(void)
{
	asymmetric = os_barrier() == 0;
}

/* Counts the word up.  The store must come before the loads that look for arenas (E2): either the
 * side that asks makes the barrier, and only the compiler must keep the order, or the exchange is
 * one.  A thread without a record counts itself as a guest; it stays one until its outermost
 * section ends, so that entries and exits match. */
void reclaim_enter(void)
{
	uintptr_t inside;

	if (unlikely(!reader_own) && (reader_guest != 0 || !reader_join())) {
		reader_enter_as_guest();
		return;
	}
	inside = load_relaxed(&reader_own->x_word);
	if (likely(asymmetric)) {
		store_relaxed(&reader_own->x_word, inside + 1); /* E2 */
		order_for_barrier();
	} else {
		exchange_seq(&reader_own->x_word, inside + 1); /* E2 */
	}
}

void reclaim_exit(void)
{
	if (likely(reader_guest == 0))
		store_release(&reader_own->x_word, load_relaxed(&reader_own->x_word) - 1); /* E1 */
	else
		reader_exit_as_guest();
}

bool reader_is_inside(const struct reader *record)
{
	return load_seq(&record->x_word) != 0; /* E1, E2 */
}

bool reader_wants_barrier(void)
{
	return asymmetric;
}

void reclaim_fork_prepare(void)
{
}

void reclaim_fork_parent(void)
{
}

void reclaim_fork_child(void)
{
	reader_fork_child();
}
