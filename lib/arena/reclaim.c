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

static void give_back(struct reader *record)
{
	store_release(&record->x_word, 0); /* E1 */
	store_relaxed(&record->x_used, false);
	stack_push(&spares, &record->spare);
}

/* A thread at its end gets no other record: nobody would give back what the last of its destructors
 * had taken. */
static __thread bool left;

static void leave(void *record)
{
	if (!BUG(records_at_the_end))
		left = true;
	reader_own = NULL;
	give_back(record);
}

__attribute__((constructor)) static void make_key(void)
{
	key_made = pthread_key_create(&key, leave) == 0;
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

bool reader_join(void)
{
	struct stack_node *node;

	if (!key_made || left)
		return false;
	node = stack_pop(&spares);
	reader_own = node ? container_of(node, struct reader, spare) : add_record();
	if (!reader_own)
		return false;
	store_relaxed(&reader_own->x_used, true);
	if (os_at_thread_end(key, reader_own))
		return true;
	give_back(reader_own);
	reader_own = NULL;
	return false;
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

static bool full_barrier(void)
{
	static _Atomic unsigned x_any;

	if (reader_wants_barrier())
		return os_barrier() == 0;
	add_seq(&x_any, 1);
	return true;
}

void reclaim_grace_begin(struct reclaim_grace *grace)
{
	grace->begun = full_barrier();          /* E2 */
	grace->next = load_acquire(&x_readers); /* E3 */
}

bool reclaim_grace_over(struct reclaim_grace *grace)
{
	if (!grace->begun)
		return false;
	for (; grace->next; grace->next = grace->next->next)
		if (reader_is_inside(grace->next)) /* E1, E2 */
			return false;
	return load_seq(&x_guests) == 0 && full_barrier(); /* E1, E2 */
}

void reader_fork_child(void)
{
	store_relaxed(&x_guests, reader_guest);
	for (struct reader *record = load_acquire(&x_readers); record;
	     record = record->next) /* E3 */
		if (record != reader_own && load_relaxed(&record->x_used))
			give_back(record);
}
