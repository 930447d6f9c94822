/* SPDX-License-Identifier: MIT */
#include "heap/owner.h"

__thread uintptr_t owner_number = OWNER_NOBODY;
extern __thread uintptr_t arn_private_owner_number PRIVATE_NAME(owner_number)
	__attribute__((alias("owner_number"), visibility("default")));

static __thread struct owner_range *own_range;

void owner_use_range(struct owner_range *range)
{
	own_range = range;
}

#define DRAWN_AT_ONCE 1024u

/* A word of 64 bits has numbers for all the threads that a process can ever start, so none comes
 * again.  Many are drawn at once, because all threads share the word. */
static uintptr_t draw_new(uintptr_t n)
{
	alignas(CACHE_LINE) static _Atomic uintptr_t x_numbers = OWNER_FIRST;

	return add_relaxed(&x_numbers, n);
}

static uintptr_t draw_from(struct owner_range *range)
{
	if (range->next == range->end) {
		range->next = draw_new(DRAWN_AT_ONCE);
		range->end = range->next + DRAWN_AT_ONCE;
	}
	return range->next++;
}

uintptr_t owner_draw(void)
{
	if (BUG(thread_pointers))
		return thread_id();
	if (owner_number == OWNER_NOBODY)
		owner_number = own_range ? draw_from(own_range) : draw_new(1);
	return owner_number;
}

void owner_forget(void)
{
	owner_number = OWNER_NOBODY;
}
