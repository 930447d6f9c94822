/* SPDX-License-Identifier: MIT */
#include "heap/owner.h"

__thread uintptr_t owner_number = OWNER_NOBODY;
extern __thread uintptr_t arn_private_owner_number PRIVATE_NAME(owner_number)
	__attribute__((alias("owner_number"), visibility("default")));

/* A word of 64 bits has numbers for all the threads that a process can ever start, so none comes
 * again. */
uintptr_t owner_draw(void)
{
	static _Atomic uintptr_t x_numbers = OWNER_FIRST;

	if (BUG(thread_pointers))
		return thread_id();
	if (owner_number == OWNER_NOBODY)
		owner_number = add_relaxed(&x_numbers, 1);
	return owner_number;
}

void owner_forget(void)
{
	owner_number = OWNER_NOBODY;
}
