/* SPDX-License-Identifier: MIT
 *
 * The only file that includes liburcu.
 *
 * Each thread's word of liburcu is listed here as well, because liburcu's own list is private and can only be waited
 * on.  Records of the list are never unmapped; those of threads that ended serve new ones.
 *
 * Ordering    E1  a reader's section -> the end of a grace period that began during it.
 *             E2  join: publish the word (seq_cst), then look at arenas; grace: hide an arena, full barrier, look at
 *                 the words.  Either the reader does not find the arena or the grace period finds the reader.
 *             E3  x_readers: push (seq_cst, see E2) -> walk (acquire): next.
 */
#define _LGPL_SOURCE /* inline readers; the licence allows it for MIT code */
#include "reclaim.h"

#include "atomic.h"
#include "base.h"
#include "meta.h"
#include "os.h"
#include "stack.h"

#include <pthread.h>
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

struct reader {
	_Atomic(unsigned long *) x_word; /* liburcu's, of the thread that has this record; E2 */
	struct reader *next;             /* all records; E3 */
	struct stack_node spare;
};

static _Atomic(struct reader *) x_readers;
static struct stack spares;
static __thread struct reader *reader;
static __thread unsigned guest; /* sections that are counted and not liburcu's */
static _Atomic unsigned x_guests;
static pthread_key_t key;
static bool key_made;

static void leave(void *record)
{
	struct reader *own = record;

	reader = NULL;
	store_release(&own->x_word, NULL); /* E1 */
	stack_push(&spares, &own->spare);
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

static struct reader *take_record(void)
{
	struct stack_node *node = stack_pop(&spares);

	return node ? container_of(node, struct reader, spare) : add_record();
}

/* liburcu ends the program when it finds no memory for a thread: where that may happen, see first. */
static bool has_memory(void)
{
	void *probe;

	if (!os_is_limited())
		return true;
	probe = os_map_aligned(64 * KIB, 4 * KIB);
	return probe && os_unmap(probe, 64 * KIB) == 0;
}

static bool join(void)
{
	if (!key_made || !has_memory())
		return false;
	if (!reader) {
		struct reader *record = take_record();

		if (!record)
			return false;
		reader = record;
		pthread_setspecific(key, record);
	}
	urcu_bp_register_thread();
	store_seq(&reader->x_word, &URCU_TLS(urcu_bp_reader)->ctr); /* E2 */
	return true;
}

static void enter_first(void)
{
	if (guest == 0 && join()) {
		urcu_bp_read_lock();
		return;
	}
	guest++;
	add_seq(&x_guests, 1); /* E2 */
}

/* liburcu forgets a thread at its end, perhaps before the last section. */
void reclaim_enter(void)
{
	if (likely(reader && URCU_TLS(urcu_bp_reader)))
		urcu_bp_read_lock();
	else
		enter_first();
}

void reclaim_exit(void)
{
	order_release(); /* E1 */
	if (likely(guest == 0)) {
		urcu_bp_read_unlock();
		return;
	}
	guest--;
	sub_release(&x_guests, 1); /* E1 */
}

/* Readers order nothing themselves where the system can do it for them. */
static bool full_barrier(void)
{
	static _Atomic unsigned x_any;

	if (urcu_bp_has_sys_membarrier)
		return os_barrier() == 0;
	add_seq(&x_any, 1);
	return true;
}

void reclaim_grace_begin(struct reclaim_grace *grace)
{
	grace->begun = full_barrier(); /* E2 */
	grace->next = load_acquire(&x_readers); /* E3 */
}

/* liburcu writes the word with plain stores, ordered by its barriers.  Its own inline function for this would be
 * called, and so be instrumented: gcc inlines nothing into a function that the sanitizer leaves alone. */
__attribute__((no_sanitize("thread"))) noinline static bool is_inside(const struct reader *record)
{
	unsigned long *word = load_seq(&record->x_word); /* E2 */

	return word && (load_guess(word) & URCU_BP_GP_CTR_NEST_MASK) != 0;
}

bool reclaim_grace_over(struct reclaim_grace *grace)
{
	if (!grace->begun)
		return false;
	for (; grace->next; grace->next = grace->next->next)
		if (is_inside(grace->next))
			return false;
	if (load_seq(&x_guests) != 0 || !full_barrier()) /* E1, E2 */
		return false;
	order_acquire(); /* E1 */
	return true;
}

void reclaim_fork_prepare(void)
{
	urcu_bp_before_fork();
}

void reclaim_fork_parent(void)
{
	urcu_bp_after_fork_parent();
}

/* The other threads are gone, wherever they were. */
void reclaim_fork_child(void)
{
	urcu_bp_after_fork_child();
	store_relaxed(&x_guests, guest != 0);
	for (struct reader *record = load_acquire(&x_readers); record; record = record->next) { /* E3 */
		if (record == reader || !load_relaxed(&record->x_word))
			continue;
		store_relaxed(&record->x_word, NULL);
		stack_push(&spares, &record->spare);
	}
}
