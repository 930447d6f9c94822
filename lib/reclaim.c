/* SPDX-License-Identifier: MIT
 *
 * Readers of our own: a word for each thread, how many sections it is in.  Built unless configure --with-liburcu.
 *
 * Records of readers are never unmapped; those of threads that ended serve new ones.  The reader's store of its word
 * costs no barrier where the system can make one in all threads for who asks (membarrier).
 *
 * Ordering    E1  x_inside: exit (release) -> grace_over (acquire): all that the reader did in its section.
 *             E2  enter: store x_inside, then look at arenas; grace: hide an arena, full barrier, look at x_inside.
 *                 Either the reader does not find the arena or the grace period finds the reader.
 *             E3  x_readers: push (seq_cst, see E2) -> walk (acquire): next.
 */
#include "reclaim.h"

#include "atomic.h"
#include "base.h"
#include "meta.h"
#include "os.h"
#include "stack.h"

#include <pthread.h>

struct reader {
	alignas(CACHE_LINE) _Atomic unsigned x_inside; /* sections that nest; E1, E2 */
	_Atomic bool x_used;                           /* a thread has it: read in the child of a fork */
	struct reader *next;                           /* all records; E3 */
	struct stack_node spare;
};

static _Atomic(struct reader *) x_readers;
static struct stack spares;
static __thread struct reader *reader;
static __thread unsigned guest; /* sections of a thread without a record */
static _Atomic unsigned x_guests;
static pthread_key_t key;
static bool key_made;
static bool asymmetric; /* written while there is one thread */

static void leave(void *record)
{
	struct reader *own = record;

	reader = NULL;
	store_relaxed(&own->x_used, false);
	stack_push(&spares, &own->spare);
}

__attribute__((constructor)) static void start(void)
{
	key_made = pthread_key_create(&key, leave) == 0;
	asymmetric = os_barrier() == 0;
}

static struct reader *add_record(void)
{
	struct reader *record = meta_take(sizeof(*record), CACHE_LINE);
	struct reader *head = load_acquire(&x_readers); /* E3 */

	if (!record)
		return NULL;
	do
		record->next = head;
	while (!cas_seq(&x_readers, &head, record)); /* E2, E3 */
	return record;
}

/* Before the key: what it calls may come here. */
static bool join(void)
{
	struct stack_node *node = key_made ? stack_pop(&spares) : NULL;

	if (!key_made)
		return false;
	reader = node ? container_of(node, struct reader, spare) : add_record();
	if (!reader)
		return false;
	store_relaxed(&reader->x_used, true);
	pthread_setspecific(key, reader);
	return true;
}

static void enter_as_guest(void)
{
	guest++;
	add_seq(&x_guests, 1); /* E2 */
}

void reclaim_enter(void)
{
	unsigned inside;

	if (unlikely(!reader) && (guest != 0 || !join())) {
		enter_as_guest();
		return;
	}
	inside = load_relaxed(&reader->x_inside);
	if (likely(asymmetric)) {
		store_relaxed(&reader->x_inside, inside + 1); /* E2 */
		order_for_barrier();
	} else {
		exchange_seq(&reader->x_inside, inside + 1); /* E2 */
	}
}

void reclaim_exit(void)
{
	if (likely(guest == 0)) {
		store_release(&reader->x_inside, load_relaxed(&reader->x_inside) - 1); /* E1 */
		return;
	}
	guest--;
	sub_release(&x_guests, 1); /* E1 */
}

static bool full_barrier(void)
{
	static _Atomic unsigned x_any;

	if (asymmetric)
		return os_barrier() == 0;
	add_seq(&x_any, 1);
	return true;
}

void reclaim_grace_begin(struct reclaim_grace *grace)
{
	grace->begun = full_barrier(); /* E2 */
	grace->next = load_acquire(&x_readers); /* E3 */
}

bool reclaim_grace_over(struct reclaim_grace *grace)
{
	if (!grace->begun)
		return false;
	for (; grace->next; grace->next = grace->next->next)
		if (load_seq(&grace->next->x_inside) != 0) /* E1, E2 */
			return false;
	return load_seq(&x_guests) == 0 && full_barrier(); /* E1, E2 */
}

void reclaim_fork_prepare(void)
{
}

void reclaim_fork_parent(void)
{
}

/* The other threads are gone, wherever they were. */
void reclaim_fork_child(void)
{
	store_relaxed(&x_guests, guest != 0);
	for (struct reader *record = load_acquire(&x_readers); record; record = record->next) { /* E3 */
		if (record == reader || !load_relaxed(&record->x_used))
			continue;
		store_relaxed(&record->x_inside, 0);
		store_relaxed(&record->x_used, false);
		stack_push(&spares, &record->spare);
	}
}
