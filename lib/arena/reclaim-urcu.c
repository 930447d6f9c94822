/* SPDX-License-Identifier: MIT
 *
 * reclaim-urcu.c - readers by liburcu, of its bp flavour.  The only file that includes liburcu.
 *
 * liburcu's own list of threads is private and can only be waited on.  So each thread's word of
 * liburcu is in Arenite's list as well: x_word of a record is the address of that word.
 */
#define _LGPL_SOURCE /* inline readers; the licence allows it for MIT code */
#include "arena/reclaim-reader.h"

#include "os/os.h"

#include <errno.h>
#include <urcu/urcu-bp.h>

#ifdef ARN_TSAN
/* liburcu's assembly is invisible to the sanitizer: say what a grace period orders (E1). */
static char order;
#define order_release() __tsan_release(&order)
#define order_acquire() __tsan_acquire(&order)
#else
#define order_release() ((void)0)
#define order_acquire() ((void)0)
#endif

/* liburcu ends the program when it finds no memory for a thread.  Where that may happen, because
 * address space is limited or was refused before, this looks first whether there is some. */
static bool has_memory(void)
{
	void *probe;

	if (!os_is_limited())
		return true;
	probe = os_map_aligned(64 * KIB, os_page_size());
	return probe && os_unmap(probe, 64 * KIB) == 0;
}

/* Registers the thread with liburcu, and puts the address of its word into the thread's record.
 * false: there is no memory for one of the two; the thread is a guest then. */
static bool join(void)
{
	int saved;

	if (!has_memory() || (!reader_own && !reader_join()))
		return false;
	saved = errno;
	urcu_bp_register_thread();
	errno = saved;
	store_seq(&reader_own->x_word, (uintptr_t)&URCU_TLS(urcu_bp_reader)->ctr); /* E2 */
	return true;
}

static void enter_first(void)
{
	if (reader_guest == 0 && join())
		urcu_bp_read_lock();
	else
		reader_enter_as_guest();
}

/* liburcu forgets a thread at its end, perhaps before its last section: then enter_first looks
 * again. */
void reclaim_enter(void)
{
	if (likely(reader_own && URCU_TLS(urcu_bp_reader)))
		urcu_bp_read_lock();
	else
		enter_first();
}

void reclaim_exit(void)
{
	order_release(); /* E1 */
	if (likely(reader_guest == 0))
		urcu_bp_read_unlock();
	else
		reader_exit_as_guest();
}

/* liburcu writes the word with plain stores, ordered by its barriers.  Its own inline function for
 * this would be called, and so be instrumented: gcc inlines nothing into a function that the
 * sanitizer leaves alone. */
no_tsan bool reader_is_inside(const struct reader *record)
{
	const unsigned long *word = (const unsigned long *)load_seq(&record->x_word); /* E1, E2 */

	if (word && (load_guess(word) & URCU_BP_GP_CTR_NEST_MASK) != 0)
		return true;
	order_acquire(); /* E1 */
	return false;
}

bool reader_wants_barrier(void)
{
	return urcu_bp_has_sys_membarrier;
}

void reclaim_fork_prepare(void)
{
	urcu_bp_before_fork();
}

void reclaim_fork_parent(void)
{
	urcu_bp_after_fork_parent();
}

void reclaim_fork_child(void)
{
	urcu_bp_after_fork_child();
	reader_fork_child();
}
