/* SPDX-License-Identifier: MIT */
#include "arena/reclaim-reader.h"

#include "arena/meta.h"
#include "os/os.h"

#include <pthread.h>

__thread struct reader *reader_own;
__thread unsigned reader_guest;

static _Atomic(struct reader *) x_readers;
static struct stack spares;
static _Atomic unsigned x_guests;
static pthread_key_t key;
static bool key_made;

/* The record is the calling thread's own from now on; NULL: it has none. */
static void use(struct reader *record)
{
	reader_own = record;
	tally_own = record ? &record->part : NULL;
}

/* The word becomes 0 before another thread can have the record: that one is outside of all
 * sections. */
static void let_go(struct reader *record)
{
	store_release(&record->x_word, 0); /* E1 */
	store_relaxed(&record->x_used, false);
}

static void give_back(struct reader *record)
{
	let_go(record);
	stack_push(&spares, &record->spare);
}

/* A thread at its end gets no other record: no destructor would follow to hand back what the last
 * ones had taken. */
static __thread bool left;

static void note_end(void)
{
	if (!BUG(records_at_the_end))
		left = true;
	use(NULL);
}

static void leave(void *record)
{
	note_end();
	give_back(record);
}

__attribute__((constructor)) static void make_key(void)
{
	key_made = pthread_key_create(&key, leave) == 0;
}

/* The push is seq_cst, as are the accesses of E2: a grace period that begins later finds the
 * record. */
static struct reader *add_record(void)
{
	struct reader *record = meta_take(sizeof(*record), CACHE_LINE);
	struct reader *head = load_acquire(&x_readers); /* E3 */

	if (!record)
		return NULL;
	do
		record->next = head;
	while (!cas_seq(&x_readers, &head, record)); /* E2, E3 */
	tally_new_part(&record->part);
	return record;
}

/* Takes a spare record or adds one, and has the destructor called for it.  Without memory or key
 * the record becomes spare again, and the thread is a guest. */
bool reader_join(void)
{
	struct stack_node *node;

	if (!key_made || left)
		return false;
	node = stack_pop(&spares);
	use(node ? container_of(node, struct reader, spare) : add_record());
	if (!reader_own)
		return false;
	store_relaxed(&reader_own->x_used, true);
	if (os_at_thread_end(key, reader_own))
		return true;
	give_back(reader_own);
	use(NULL);
	return false;
}

/* Once the reader is in the place, the destructor of its own is not called.  A thread that has a
 * reader already, and finds another one in the place, leaves that one there.  In a section of a
 * guest nothing changes, since its end must match. */
void reclaim_join(struct reader **place)
{
	if (left || reader_guest != 0)
		return;
	if (*place) {
		if (reader_own)
			return;
		use(*place);
		store_relaxed(&reader_own->x_used, true);
	} else if ((reader_own || reader_join()) && os_at_thread_end(key, NULL)) {
		*place = reader_own;
	}
}

void reclaim_part(struct reader **place)
{
	if (!*place || *place != reader_own)
		return;
	note_end();
	let_go(*place);
}

void reader_enter_as_guest(void)
{
	reader_guest++;
	add_seq(&x_guests, 1); /* E2 */
}

void reader_exit_as_guest(void)
{
	reader_guest--;
	sub_release(&x_guests, 1); /* E1 */
}

/* Where the readers have barriers of their own, one more here is enough: a seq_cst operation. */
static bool full_barrier(void)
{
	static _Atomic unsigned x_any;

	if (reader_wants_barrier())
		return os_barrier() == 0;
	add_seq(&x_any, 1);
	return true;
}

/* The barrier separates the stores that have hidden the arenas from the loads of the readers' words
 * (E2).  Readers that are added to the list after this come later, and cannot find those arenas:
 * for that the list is read as the words are, seq_cst. */
void reclaim_grace_begin(struct reclaim_grace *grace)
{
	grace->begun = full_barrier(); /* E2 */
	grace->next = BUG(acquire_list) ? load_acquire(&x_readers)
	                                : load_seq(&x_readers); /* E2, E3 */
}

/* Looks at the readers where the last call stopped, and stops at the first one that is inside.  A
 * reader that was seen outside once is done: if it enters again, it does not find what was hidden.
 * Guests have no record, so their number must be 0 at one moment.  The last barrier makes what the
 * readers did come before what the caller does next (E1).  false: not yet, or the system has
 * refused the barrier. */
bool reclaim_grace_over(struct reclaim_grace *grace)
{
	if (!grace->begun)
		return false;
	for (; grace->next; grace->next = grace->next->next)
		if (reader_is_inside(grace->next)) /* E1, E2 */
			return false;
	return load_seq(&x_guests) == 0 && full_barrier(); /* E1, E2 */
}

/* Records of threads that are gone become spare.  One that a thread had taken and not yet marked as
 * used is lost to the child. */
void reader_fork_child(void)
{
	store_relaxed(&x_guests, reader_guest);
	for (struct reader *record = load_acquire(&x_readers); record;
	     record = record->next) /* E3 */
		if (record != reader_own && load_relaxed(&record->x_used))
			give_back(record);
}
