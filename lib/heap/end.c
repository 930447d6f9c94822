/* SPDX-License-Identifier: MIT */
#include "heap/end.h"

#include "heap/family.h"
#include "heap/remote.h"

static void abandon_heaps(struct thread *thread)
{
	for (unsigned i = 0; i < THREAD_HEAPS; i++)
		arn_heap_abandon(&thread->heap[i]);
}

/* The gathered remote frees are sent first, because other heaps wait for them.  Then the thread's
 * heaps become orphans.  The record comes last, because the thread that takes it next expects
 * handles without a heap.  Nothing here can fail. */
void end_thread_record(struct thread *thread)
{
	if (!BUG(leave_gathered))
		remote_flush();
	if (BUG(spare_first))
		thread_give_back(thread);
	abandon_heaps(thread);
	if (!BUG(spare_first))
		thread_give_back(thread);
}

void end_init(void)
{
	thread_init(end_thread_record);
}
