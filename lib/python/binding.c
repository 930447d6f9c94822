/* SPDX-License-Identifier: MIT
 *
 * binding.c - takes and leaves the bindings of threads, and reuses their records.
 */
#include "python/binding.h"

#include "base/atomic.h"
#include "base/base.h"
#include "python/interp.h"

#include <pthread.h>
#include <stdlib.h>

static struct binding nobody;
__thread struct binding *binding_current = &nobody;
static _Atomic(struct binding *) x_bindings;
static struct stack spares;
static pthread_key_t key;

/* The heap becomes an orphan, and then any thread may take the record. */
static void leave(struct binding *binding)
{
	if (binding->interp)
		arn_heap_abandon(&binding->heap);
	binding->interp = NULL;
	store_relaxed(&binding->x_taken, false);
	stack_push(&spares, &binding->spare); /* S1 */
}

/*
 * This thread has left its binding.  A destructor that runs later may be the last one, and a
 * binding that it took would never be left: see thread.h.
 */
static __thread bool ended;

static void at_thread_end(void *binding)
{
	if (!BUG(bindings_at_the_end))
		ended = true;
	binding_current = &nobody;
	leave(binding);
}

/*
 * Runs in the child of a fork: the threads that had the other bindings are gone, and what they had
 * may be used by others.  CPython stops its threads before it forks, so no binding is half written.
 */
static void in_child(void)
{
	if (BUG(keep_bindings))
		return;
	for (struct binding *binding = load_acquire(&x_bindings); binding;
	     binding = binding->next) /* Z2 */
		if (binding != binding_current && load_relaxed(&binding->x_taken))
			leave(binding);
}

void binding_init(void)
{
	pthread_key_create(&key, at_thread_end);
	pthread_atfork(NULL, NULL, in_child);
}

/* A record that a thread has left, taken for the caller; NULL: there is none. */
static struct binding *reuse(void)
{
	struct stack_node *node = stack_pop(&spares); /* S1 */
	struct binding *binding = node ? container_of(node, struct binding, spare) : NULL;

	if (binding)
		store_relaxed(&binding->x_taken, true);
	return binding;
}

/* A new record, taken for the caller and pushed on the list of all; NULL: there is no memory. */
static struct binding *add(void)
{
	struct binding *binding = aligned_alloc(CACHE_LINE, sizeof(*binding));
	struct binding *head = load_relaxed(&x_bindings);

	if (!binding)
		return NULL;
	memset(binding, 0, sizeof(*binding));
	store_relaxed(&binding->x_taken, true);
	do
		binding->next = head;
	while (!cas_release(&x_bindings, &head, binding)); /* Z2 */
	return binding;
}

/*
 * The calling thread's record.  If it has none yet, it takes one and sets the pthread key, whose
 * destructor will leave it.  If the key cannot be set, nobody would leave the record at the
 * thread's end, so it is left at once and the answer is NULL, as it is for a thread that has ended.
 */
static struct binding *own(void)
{
	struct binding *binding = binding_current;

	if (binding != &nobody)
		return binding;
	if (ended)
		return NULL;
	binding = reuse();
	if (!binding && !(binding = add()))
		return NULL;
	if (pthread_setspecific(key, binding) == 0)
		return binding_current = binding;
	leave(binding);
	return NULL;
}

void binding_drop(void)
{
	struct binding *binding = binding_current;

	if (binding->interp)
		arn_heap_abandon(&binding->heap);
	binding->interp = NULL;
}

/*
 * The record of the interpreter comes first: without it, and so without a family, the thread keeps
 * the binding that it has.  arn_heap_init only sets the handle up; the heap is adopted at its first
 * malloc, which is why this cannot fail once the thread has a record.
 */
struct binding *binding_take(const void *interp)
{
	struct interp *record = interp_of(interp);
	struct binding *binding = record ? own() : NULL;

	if (!binding)
		return NULL;
	binding_drop();
	arn_heap_init(&binding->heap, record->family, ARN_TAG_OBJECT);
	binding->family = record->family;
	binding->interp = interp;
	return binding;
}
