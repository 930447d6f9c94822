/* SPDX-License-Identifier: MIT
 *
 * Readers of our own: a word for each thread, how many sections it is in.  Built unless configure
 * --with-liburcu.
 *
 * The reader's store of its word costs no barrier where the system can make one in all threads for
 * who asks (membarrier).
 */
#include "arena/reclaim-reader.h"

#include "os/os.h"

static bool asymmetric; /* written while there is one thread */

__attribute__((constructor)) static void start(void)
{
	asymmetric = os_barrier() == 0;
}

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
