/* SPDX-License-Identifier: MIT */
#include "python/seat.h"

#include "base/atomic.h"
#include "python/home.h"

#include <pthread.h>
#include <stdlib.h>

static struct seat nobody;
__thread struct seat *seat_current = &nobody;
static _Atomic(struct seat *) x_seats;
static pthread_key_t key;

static void leave(struct seat *seat)
{
	if (seat->interp)
		arn_heap_abandon(&seat->heap);
	seat->interp = NULL;
	store_release(&seat->x_taken, false); /* Z3 */
}

static __thread bool ended; /* the seat was left: see thread.h */

static void at_thread_end(void *seat)
{
#ifndef ARN_BUG_seats_at_the_end
	ended = true;
#endif
	seat_current = &nobody;
	leave(seat);
}

/* Threads that are gone allocate no more; what they had may be used. */
static void in_child(void)
{
#ifdef ARN_BUG_keep_seats
	return;
#endif
	for (struct seat *seat = load_acquire(&x_seats); seat; seat = seat->next) /* Z2 */
		if (seat != seat_current && load_relaxed(&seat->x_taken))
			leave(seat);
}

void seat_init(void)
{
	pthread_key_create(&key, at_thread_end);
	pthread_atfork(NULL, NULL, in_child);
}

static struct seat *reuse(void)
{
	for (struct seat *seat = load_acquire(&x_seats); seat; seat = seat->next) { /* Z2 */
		bool taken = load_relaxed(&seat->x_taken);

		if (!taken && cas_acq_rel(&seat->x_taken, &taken, true)) /* Z3 */
			return seat;
	}
	return NULL;
}

static struct seat *add(void)
{
	struct seat *seat = calloc(1, sizeof(*seat)), *head = load_relaxed(&x_seats);

	if (!seat)
		return NULL;
	store_relaxed(&seat->x_taken, true);
	do
		seat->next = head;
	while (!cas_release(&x_seats, &head, seat)); /* Z2 */
	return seat;
}

static struct seat *own(void)
{
	struct seat *seat = seat_current;

	if (seat != &nobody)
		return seat;
	if (ended)
		return NULL;
	seat = reuse();
	if (!seat && !(seat = add()))
		return NULL;
	if (pthread_setspecific(key, seat) == 0)
		return seat_current = seat;
	leave(seat);
	return NULL;
}

void seat_drop(void)
{
	struct seat *seat = seat_current;

	if (seat->interp)
		arn_heap_abandon(&seat->heap);
	seat->interp = NULL;
}

struct seat *seat_take(const void *interp)
{
	struct home *home = home_of(interp);
	struct seat *seat = home ? own() : NULL;

	if (!seat)
		return NULL;
	seat_drop();
	arn_heap_init(&seat->heap, home->family, ARN_TAG_OBJECT);
	seat->family = home->family;
	seat->interp = interp;
	return seat;
}
