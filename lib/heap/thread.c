/* SPDX-License-Identifier: MIT */
#include "heap/thread.h"

#include "arena/meta.h"
#include "arena/reclaim.h"
#include "os/os.h"

#include <pthread.h>

struct thread thread_none;
__thread struct thread *thread_current;
extern __thread struct thread *arn_private_thread_current PRIVATE_NAME(thread_current)
	__attribute__((alias("thread_current"), visibility("default")));
__thread struct heap *thread_names = &heap_none;
extern __thread struct heap *arn_private_thread_names PRIVATE_NAME(thread_names)
	__attribute__((alias("thread_names"), visibility("default")));

/* On a line of its own: every thread pops and pushes once. */
static struct {
	alignas(CACHE_LINE) struct stack stack;
} spares;
static _Atomic(struct thread *) x_threads;
static pthread_key_t key;
static bool key_made;
static void (*end_thread)(struct thread *);

static __thread bool ended; /* this thread has handed its record back */

/* The destructor of the key.  `ended` is set first: what end_thread calls may need a record, and
 * must not get a new one. */
static void at_thread_end(void *record)
{
	if (!BUG(records_at_the_end))
		ended = true;
	end_thread(record);
}

void thread_init(void (*at_end)(struct thread *))
{
	end_thread = at_end;
	key_made = pthread_key_create(&key, at_thread_end) == 0;
}

/* Records are pushed once and stay in the list of all records, also while they are spare. */
static struct thread *add_record(void)
{
	struct thread *thread = meta_take(sizeof(*thread), CACHE_LINE);
	struct thread *head = load_relaxed(&x_threads);

	if (!thread)
		return NULL;
	do
		thread->next = head;
	while (!cas_release(&x_threads, &head, thread)); /* T1 */
	return thread;
}

static struct thread *take_record(void)
{
	struct stack_node *node = stack_pop(&spares.stack);

	return node ? container_of(node, struct thread, spare) : add_record();
}

/* Takes a spare record or makes a new one, and has the destructor called for it at the thread's
 * end.  Setting the key may allocate, and so come back here: thread_current is set before, and that
 * call finds the record.  If the key cannot be set, no one would hand the record back, so it
 * becomes spare again at once.  On any failure the thread works without a record (thread_none). */
struct thread *thread_make(void)
{
	struct thread *thread = ended || !key_made ? NULL : take_record();

	if (!thread)
		return &thread_none;
	arn_yield_point("thread_make");
	for (unsigned tag = 0; tag < THREAD_NAMES; tag++)
		handle_init(&thread->heap[tag], NULL, tag);
	handle_init(&thread->heap[THREAD_NAMES], &family_of_names, ARN_TAG_MEM);
	thread_current = thread;
	owner_use_range(&thread->numbers);
	if (os_at_thread_end(key, thread)) {
		reclaim_join(&thread->reader);
		return thread;
	}
	thread_give_back(thread);
	return &thread_none;
}

struct thread *thread_first(void)
{
	return load_acquire(&x_threads); /* T1 */
}

/* The record keeps its counters, and sums over all records include it.  It is spare from the push
 * on, so everything of this thread must be out of it by then. */
void thread_give_back(struct thread *thread)
{
	thread_current = NULL;
	owner_forget();
	owner_use_range(NULL);
	reclaim_part(&thread->reader);
	store_relaxed(&thread->x_number, OWNER_NONE);
	arn_yield_point("thread_give_back");
	stack_push(&spares.stack, &thread->spare);
}

void thread_fork_child(void)
{
	for (struct thread *thread = thread_first(); thread; thread = thread->next)
		if (thread != thread_current)
			store_relaxed(&thread->x_number, OWNER_NONE);
}
