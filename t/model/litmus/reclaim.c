/* SPDX-License-Identifier: MIT
 *
 * reclaim - E1, E2, E3: a thread looks for an arena, reads it and leaves, while another one hides
 * the arena, lets a grace period pass and takes it.  The readers are those of lib/arena/reclaim.c
 * and lib/arena/reclaim-own.c as they are; the table has one entry, with the accesses of
 * lib/arena/registry.c.
 *
 * The plain reads of the one thread and the plain write of the other are never at the same time.
 *
 * ARN_LITMUS_BARRIER: the system makes the barriers.  A barrier in all threads is what two fences
 * are, one on each side: see P1202 of the C++ committee.
 * ARN_LITMUS_GUEST: the reader has no record, and counts itself.
 */
#include "litmus.h"

#undef order_for_barrier
#define order_for_barrier()                 atomic_thread_fence(memory_order_seq_cst)
#define pthread_key_create(key, destructor) (*(key) = 0, (void)(destructor), 0)

#include "../lib/arena/reclaim-own.c"
#include "../lib/arena/reclaim.c"

static _Atomic(int *) x_arenas;
static int arena;
static struct reader record; /* of the reader */

int os_barrier(void)
{
#ifdef ARN_LITMUS_BARRIER
	atomic_thread_fence(memory_order_seq_cst);
	return 0;
#else
	return -1;
#endif
}

bool os_at_thread_end(pthread_key_t unused, void *argument)
{
	(void)unused;
	(void)argument;
	return true;
}

__thread struct tally_part *tally_own;

void tally_new_part(struct tally_part *part)
{
	(void)part;
}

void *meta_take(size_t size, size_t alignment)
{
	(void)size;
	(void)alignment;
	return &record;
}

static void *read_arena(void *unused)
{
	int *found;

	reclaim_enter();
	found = load_seq(&x_arenas); /* A2, E2 */
	if (found)
		assert(*found == 1);
	reclaim_exit();
	return unused;
}

static void *take_arena(void *unused)
{
	struct reclaim_grace grace;

	store_seq(&x_arenas, NULL); /* E2 */
	reclaim_grace_begin(&grace);
	if (reclaim_grace_over(&grace))
		arena = 2;
	return unused;
}

int main(void)
{
	static litmus_thread *const threads[] = { read_arena, take_arena };

	arena = 1;
	store_seq(&x_arenas, &arena);
#ifdef ARN_LITMUS_GUEST
	key_made = false;
#endif
	run_threads(threads, 2);
	return 0;
}
