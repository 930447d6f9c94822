/* SPDX-License-Identifier: MIT
 *
 * ring.h - a bounded ring with one producer and one consumer that moves pointers in batches.  It
 * waits by yielding: on a machine with few processors the other side needs this one's.
 */
#ifndef ARN_BENCH_RING_H
#define ARN_BENCH_RING_H

#include "bench.h"

enum { RING = 4096, RING_BATCH = 64 };

struct ring {
	_Alignas(64) _Atomic size_t head; /* written by the consumer */
	_Alignas(64) _Atomic size_t tail; /* written by the producer */
	_Alignas(64) void *at[RING];
};

static inline void ring_put(struct ring *r, void *const *from)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	while (tail + RING_BATCH - atomic_load_explicit(&r->head, memory_order_acquire) > RING)
		sched_yield();
	for (size_t i = 0; i < RING_BATCH; i++)
		r->at[(tail + i) % RING] = from[i];
	atomic_store_explicit(&r->tail, tail + RING_BATCH, memory_order_release);
}

/* False: nothing there at the moment. */
static inline bool ring_try_take(struct ring *r, void **to)
{
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (atomic_load_explicit(&r->tail, memory_order_acquire) == head)
		return false;
	for (size_t i = 0; i < RING_BATCH; i++)
		to[i] = r->at[(head + i) % RING];
	atomic_store_explicit(&r->head, head + RING_BATCH, memory_order_release);
	return true;
}

#endif
