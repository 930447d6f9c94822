/* SPDX-License-Identifier: MIT
 *
 * process.c - process start and end, and the one list of what fork does to us.
 *
 * Nothing is locked at fork: the structures are lock-free, so the child's copy is at worst one in
 * which some thread has stopped, which they bear.  In the child
 *   1. readers that are gone are forgotten;
 *   2. a heap that a thread which is gone was at work on is stranded: its blocks can be freed, but
 *      it is never used again.  That thread was its owner in a slow path (a step of a fast path is
 *      one store), or walked it, or drained an orphan.  A handle that has such a heap, the forking
 *      thread's own among them, gets another at its next malloc;
 *   3. any other heap of a thread that is gone becomes an orphan, but for
 *   4. heaps behind an embedder's handle, which are left to the embedder (CPython stops its threads
 *      before it forks and clears their states in the child);
 *   5. blocks that threads which are gone had freed to others' heaps, and gathered, are sent home.
 */
#include "api/process.h"

#include "heap/cache.h"
#include "heap/end.h"
#include "heap/family.h"
#include "base/mark.h"
#include "base/option.h"
#include "arena/reclaim.h"
#include "heap/remote.h"
#include "arena/retire.h"
#include "api/report.h"
#include "heap/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* Its bins are empty and full at once, so that its handle comes by the slow path of malloc. */
static void strand_heap(struct heap *heap)
{
	cache_init(heap);
	store_relaxed(&heap->x_thread, 0);
	store_relaxed(&heap->x_owner, OWNER_STRANDED);
}

/* By somebody who is gone.  The forking thread itself may be in a slow path, if it forks in a
 * signal handler. */
static bool is_half_done(const struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner), busy = load_relaxed(&heap->x_busy);
	bool by_us = busy >= OWNER_FIRST && busy == owner_self();

	return owner == OWNER_DRAINING || owner == OWNER_ENDING || (busy != 0 && !by_us);
}

static void leave_heap(struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner);

	if (owner == OWNER_STRANDED)
		return;
	if (is_half_done(heap)) {
		strand_heap(heap);
		return;
	}
	remote_fork_child(heap);
	if (owner != OWNER_NONE && owner != owner_self() && !heap->external)
		family_abandon(heap);
}

static void in_child(void)
{
	reclaim_fork_child();
	retire_fork_child();
	thread_fork_child();
	for (arn_family *family = family_first(); family;
	     family = load_acquire(&family->x_next)) { /* F1 */
		family_fork_child(family);
		for (struct heap *heap = load_acquire(&family->x_heaps); heap;
		     heap = heap->next) /* F1 */
			leave_heap(heap);
	}
	remote_flush_all();
}

void process_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	option_init();
	end_init();
	remote_init(family_drain_orphan);
	pthread_atfork(reclaim_fork_prepare, reclaim_fork_parent, in_child);
	report_init();
	/* the first records, while there is memory; liburcu, if it is that, would end the program
	 * for want of it */
	reclaim_enter();
	reclaim_exit();
}

bool process_is_disabled(void)
{
	process_init();
	return option(OPTION_DISABLE);
}
EXPORT_PRIVATE(process_is_disabled);

void process_has_python(void)
{
	mark_claim(MARK_FIRST_PYTHON);
}
EXPORT_PRIVATE(process_has_python);

bool process_is_first_python(void)
{
	return mark_is_ours(MARK_FIRST_PYTHON);
}
EXPORT_PRIVATE(process_is_first_python);

__attribute__((constructor)) static void start(void)
{
	process_init();
}
