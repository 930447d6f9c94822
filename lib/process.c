/* SPDX-License-Identifier: MIT
 *
 * process.c - process start and end, and the one list of what fork does to us.
 *
 * Nothing is locked at fork: the structures are lock-free, so the child's copy is at worst one in which some
 * thread has stopped, which they bear.  In the child
 *   1. readers that are gone are forgotten;
 *   2. a heap of a thread that is gone becomes an orphan, if that thread was outside our slow paths (a step of
 *      a fast path is one store); else it is stranded: its blocks can be freed, but it is never used again;
 *   3. heaps behind an embedder's handle are left to the embedder (CPython stops its threads before it
 *      forks and clears their states in the child).
 */
#include "process.h"

#include "heap.h"
#include "limbo.h"
#include "option.h"
#include "panic.h"
#include "reclaim.h"
#include "retire.h"
#include "stats.h"
#include "thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void strand(struct heap *heap)
{
	store_relaxed(&heap->x_thread, 0);
	store_relaxed(&heap->x_owner, OWNER_STRANDED);
}

static void leave_heap(struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner);

	if (owner == OWNER_NONE || owner == OWNER_STRANDED || owner == owner_self())
		return;
	if (owner == OWNER_TIDY || load_relaxed(&heap->x_busy))
		strand(heap);
	else if (!heap->external)
		family_abandon(heap);
}

static void in_child(void)
{
	reclaim_fork_child();
	retire_fork_child();
	thread_fork_child();
	for (arn_family *family = family_first(); family; family = load_acquire(&family->x_next)) { /* F1 */
		limbo_fork_child(family);
		family_fork_child(family);
		for (struct heap *heap = load_acquire(&family->x_heaps); heap; heap = heap->next) /* F1 */
			leave_heap(heap);
	}
}

static void say_hello(void)
{
	struct text text = { 0 };

	text_add(&text, "version " ARN_VERSION ", process ");
	text_add_number(&text, (size_t)getpid());
	warn(&text);
}

void process_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	option_init();
	pthread_atfork(reclaim_fork_prepare, reclaim_fork_parent, in_child);
	stats_init();
	/* the first records, while there is memory; liburcu, if it is that, would end the program for want of it */
	reclaim_enter();
	reclaim_exit();
	if (option(OPTION_VERBOSE) >= 1)
		say_hello();
}

__attribute__((constructor)) static void start(void)
{
	process_init();
}
