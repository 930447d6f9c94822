/* SPDX-License-Identifier: MIT
 *
 * remote - R1, R2, R3: two threads free a block each to a pool, and its owner drains at the same
 * time.  This is lib/heap/remote.c and pool_drain for one pool whose bits are in two words; the
 * list of pending pools, which has one pool at most, is a flag.
 *
 * No block is left in the words of a pool that is in no list, and the owner reads what was written
 * to a block before it was freed.
 */
#include "litmus.h"

enum { BLOCKS = 2, UNQUEUED = 0, QUEUED = 1 };

static _Atomic uint64_t x_remote[BLOCKS];
static _Atomic uint32_t x_queued;
static _Atomic unsigned x_pending;
static int block[BLOCKS]; /* written by the thread that frees it, and then by the owner */
static uint64_t drained;  /* the owner's */

static bool has_bits(void)
{
	return load_seq(&x_remote[0]) != 0 || load_seq(&x_remote[1]) != 0; /* R1 */
}

static void queue_pool(void)
{
	uint32_t queued = UNQUEUED;

	for (; has_bits() && cas_seq(&x_queued, &queued, QUEUED); queued = UNQUEUED) { /* R1 */
		uint32_t undone = QUEUED;

		if (has_bits() || !cas_seq(&x_queued, &undone, UNQUEUED)) {
			unsigned head = load_relaxed(&x_pending);

			assert(head == 0);                         /* a pool is in one list, once */
			while (!cas_release(&x_pending, &head, 1)) /* R3 */
				assert(head == 0);
			return;
		}
	}
}

static void send(unsigned index)
{
	bool is_queued;

	block[index] = 1;
	if (BUG(acquire_release)) {
		atomic_fetch_or_explicit(&x_remote[index], 1, memory_order_acq_rel);
		is_queued = load_acquire(&x_queued) != UNQUEUED;
	} else {
		or_seq(&x_remote[index], 1); /* R1, R2 */
		is_queued = load_seq(&x_queued) != UNQUEUED;
	}
	if (!is_queued)
		queue_pool();
}

/* Words without bits are only read. */
static void drain_word(unsigned index)
{
	if ((BUG(acquire_release) ? load_acquire(&x_remote[index]) : load_seq(&x_remote[index])) ==
	    0) /* R1 */
		return;
	if (exchange_seq(&x_remote[index], 0) == 0) /* R1, R2 */
		return;
	block[index]++;
	drained |= (uint64_t)1 << index;
}

static void drain(void)
{
	if (exchange_acquire(&x_pending, 0) == 0) /* R3 */
		return;
	if (BUG(acquire_release))
		exchange_acq_rel(&x_queued, UNQUEUED);
	else
		exchange_seq(&x_queued, UNQUEUED); /* R1 */
	for (unsigned i = 0; i < BLOCKS; i++)
		drain_word(i);
}

static void *free_first(void *unused)
{
	send(0);
	return unused;
}

static void *free_second(void *unused)
{
	send(1);
	return unused;
}

static void *own(void *unused)
{
	drain();
	return unused;
}

int main(void)
{
	static litmus_thread *const threads[] = { free_first, free_second, own };

	run_threads(threads, 3);
	drain();
	assert(drained == 3 && !has_bits() && x_queued == UNQUEUED);
	assert(block[0] == 2 && block[1] == 2);
	return 0;
}
