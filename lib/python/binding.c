/* SPDX-License-Identifier: MIT */
#include "python/binding.h"

#include "base/atomic.h"
#include "base/base.h"
#include "python/interp.h"

#include <pthread.h>
#include <stdlib.h>

static struct binding nobody;
__thread struct binding *binding_current = &nobody;
static _Atomic(struct binding *) x_bindings;
static pthread_key_t key;

static void leave(struct binding *binding)
{
	if (binding->interp)
		arn_heap_abandon(&binding->heap);
	binding->interp = NULL;
	store_release(&binding->x_taken, false); /* Z3 */
}

static __thread bool ended; /* the binding was left: see thread.h */

static void at_thread_end(void *binding)
{
	if (!BUG(bindings_at_the_end))
		ended = true;
	binding_current = &nobody;
	leave(binding);
}

/* Threads that are gone allocate no more; what they had may be used. */
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

static struct binding *reuse(void)
{
	for (struct binding *binding = load_acquire(&x_bindings); binding;
	     binding = binding->next) { /* Z2 */
		bool taken = load_relaxed(&binding->x_taken);

		if (!taken && cas_acq_rel(&binding->x_taken, &taken, true)) /* Z3 */
			return binding;
	}
	return NULL;
}

static struct binding *add(void)
{
	struct binding *binding = calloc(1, sizeof(*binding)), *head = load_relaxed(&x_bindings);

	if (!binding)
		return NULL;
	store_relaxed(&binding->x_taken, true);
	do
		binding->next = head;
	while (!cas_release(&x_bindings, &head, binding)); /* Z2 */
	return binding;
}

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
