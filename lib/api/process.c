/* SPDX-License-Identifier: MIT
 *
 * process.c - the start of a process, and all that happens to Arenite in a fork.
 *
 * Nothing is locked at a fork.  The structures are lock-free, so the worst that the child can get
 * is a copy in which some thread has stopped in the middle of an operation, and they bear that.
 * In the child
 *   1. readers that are gone are forgotten;
 *   2. a heap that a thread which is gone was at work on is stranded: its blocks can be freed, but
 *      it is never used again.  That thread was its owner in a slow path (a step of a fast path is
 *      one store), or walked it, or drained an orphan.  A handle that has such a heap, the forking
 *      thread's own among them, gets another at its next malloc;
 *   3. any other heap of a thread that is gone becomes an orphan, but for
 *   4. heaps behind an embedder's handle.  These are left to the embedder: CPython stops its
 *      threads before it forks and clears their states in the child;
 *   5. blocks that threads which are gone had freed to others' heaps, and gathered, are sent home;
 *   6. the page of statistics and the file of option STATS are the parent's: the child has a page
 *      of its own, and a file if its name has the number of the process in it.
 */
#include "api/process.h"

#include "api/guarded.h"
#include "api/collect.h"
#include "api/page.h"
#include "api/shortage.h"
#include "heap/cache.h"
#include "heap/end.h"
#include "heap/family.h"
#include "base/mark.h"
#include "base/option.h"
#include "base/trace.h"
#include "arena/reclaim.h"
#include "arena/retain.h"
#include "heap/remote.h"
#include "heap/stock.h"
#include "arena/retire.h"
#include "api/report.h"
#include "heap/thread.h"
#include "profile/profile.h"
#include "profile/traceback.h"
#include "os/os.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Take a heap out of use for ever, because nobody knows in which state it is.  cache_init makes its
 * bins empty and full at once, so every malloc of its handle takes the slow path, where the handle
 * gets another heap (take_over in alloc.c).  Blocks of the heap can still be freed: that is a
 * remote free, which needs none of the heap's plain fields.
 */
static void strand_heap(struct heap *heap)
{
	cache_init(heap);
	stock_give_back(heap);
	store_relaxed(&heap->x_thread, 0);
	store_relaxed(&heap->x_owner, OWNER_STRANDED);
}

/*
 * Was a thread that is gone at work on this heap?  The forking thread itself may be in a slow path
 * too, if it forks in a signal handler.  Then it will go on in the child, and the heap is whole.
 */
static bool is_half_done(const struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner), busy = load_relaxed(&heap->x_busy);
	bool by_us = busy >= OWNER_FIRST && busy == owner_self();

	return owner == OWNER_DRAINING || owner == OWNER_ENDING || (busy != 0 && !by_us);
}

/*
 * What becomes of one heap in the child (numbers 2 to 4 above).  If somebody who is gone was
 * looking after a heap that is otherwise whole, its lists of queued pools are made anew.  Then it
 * becomes an orphan, unless it has no owner, belongs to the forking thread, or is an embedder's.
 */
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

/*
 * Runs in the child, in the only thread that there is.  Readers and records of threads that are
 * gone come first, so that no grace period waits for them.  The lists of a family are mended before
 * its heaps are looked at.  Gathered blocks are sent home last, when it is settled for each heap
 * whether it is stranded, an orphan or owned.  None of this can fail.
 */
static void in_child(void)
{
	os_fork_child();
	collect_fork_child();
	reclaim_fork_child();
	retire_fork_child();
	arena_fork_child();
	thread_fork_child();
	profile_fork_child();
	for (arn_family *family = family_first(); family;
	     family = load_acquire(&family->x_next)) { /* F1 */
		family_fork_child(family);
		for (struct heap *heap = load_acquire(&family->x_heaps); heap;
		     heap = heap->next) /* F1 */
			leave_heap(heap);
	}
	remote_flush_all();
	report_fork_child();
	page_fork_child();
}

/* The options come first because everything else reads them. */
void process_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	option_init();
	budget_init();
	retain_init();
	shortage_init();
	end_init();
	remote_init(family_drain_orphan);
	pthread_atfork(reclaim_fork_prepare, reclaim_fork_parent, in_child);
	/* Make the first reader's records now, while there is memory.  liburcu, where it is used,
	 * would end the program for want of memory later. */
	reclaim_enter();
	reclaim_exit();
}

bool process_serves(unsigned tag)
{
	process_init();
	if (tag > ARN_TAG_OBJECT)
		return true;
	return option(OPTION_DOMAINS) & (tag == ARN_TAG_MEM ? SERVE_MEM : SERVE_OBJECT);
}
EXPORT_PRIVATE(process_serves);

enum counting process_counts(void)
{
	process_init();
	return sample_counting();
}
EXPORT_PRIVATE(process_counts);

static bool has_malloc; /* written while there is one thread */

bool process_serve_malloc(bool must)
{
	process_init();
	has_malloc = must || ((option(OPTION_DOMAINS) & SERVE_MALLOC) && !option(OPTION_DISABLE));
	if (has_malloc)
		family_use_names();
	return has_malloc;
}
EXPORT_PRIVATE(process_serve_malloc);

bool process_has_malloc(void)
{
	return has_malloc;
}

size_t process_checks(void)
{
	process_init();
	return option(OPTION_CHECKS);
}
EXPORT_PRIVATE(process_checks);

bool process_is_disabled(void)
{
	process_init();
	return option(OPTION_DISABLE);
}
EXPORT_PRIVATE(process_is_disabled);

void process_has_python(void)
{
	mark_claim(MARK_FIRST_PYTHON);
	traceback_init();
	profile_find_python();
}
EXPORT_PRIVATE(process_has_python);

void process_collector_is_apart(void)
{
	profile_note_collector_apart();
}
EXPORT_PRIVATE(process_collector_is_apart);

bool process_is_first_python(void)
{
	return mark_is_ours(MARK_FIRST_PYTHON);
}
EXPORT_PRIVATE(process_is_first_python);

/*
 * report_init is not part of process_init, because it calls atexit and dlsym, and these may call
 * malloc; the first malloc of a process may come from anywhere in libc.
 */
__attribute__((constructor)) static void start(void)
{
	process_init();
	trace_init();
	traceback_init();
	profile_init();
	guarded_init();
	report_init();
}
