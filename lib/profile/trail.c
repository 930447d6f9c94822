/* SPDX-License-Identifier: MIT */
#include "profile/trail.h"

#include "arena/meta.h"
#include "heap/thread.h"

static_assert(sizeof(struct trail_entry) == 32, "two of them in a cache line");

struct trail *trail_own(void)
{
	struct thread *thread = thread_peek();

	if (unlikely(!thread))
		return NULL;
	if (unlikely(!thread->trail) && thread != &thread_none)
		thread->trail = meta_take(sizeof(struct trail), CACHE_LINE);
	return thread->trail;
}
