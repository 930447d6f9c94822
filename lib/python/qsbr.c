/* SPDX-License-Identifier: MIT
 *
 * qsbr.c - a provider (struct arn_provider) made of CPython's QSBR: goal, reached, is_user.
 *
 * What CPython's qsbr.c does is done here on the same words, because an interpreter that was not
 * changed does not export those functions.
 */
#include "python/qsbr.h"

#include "base/base.h"
#include "python/cpython.h"
#include "python/layout.h"
#include "python/binding.h"

/*
 * The same as QSBR_PAGE_MEM_LIMIT of CPython's obmalloc.c: all threads read the counter all the
 * time, so it is not to be written for little memory.
 */
#define ADVANCE_BYTES (4096 * 20)

/*
 * A word of the interpreter.  To CPython they are plain integers on which it uses atomic functions,
 * so the names of atomic.h do not fit.
 */
static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST); /* Z4 */
}

/*
 * The sequence of the interpreter for which the binding is.  NULL: this thread is not attached to
 * it.
 */
static struct qsbr_shared *own_sequence(const struct binding *binding)
{
	const void *thread_state = cpython_thread_state();
	const struct qsbr_thread *thread;

	if (!thread_state || layout_word(thread_state, LAYOUT_INTERP) != binding->interp)
		return NULL;
	thread = layout_qsbr(thread_state);
	return thread ? thread->shared : NULL;
}

static uint64_t advance(struct qsbr_shared *shared)
{
	return __atomic_add_fetch(&shared->x_wr_seq, 2, __ATOMIC_SEQ_CST); /* Z4 */
}

/*
 * The goal for a pool of so many bytes that has just become empty.  As long as little has become
 * free since the last time, it is the next number that will be issued, and the shared counter is
 * only read; then the counter is advanced, and its new value is the goal.  A goal always lies after
 * the last free of the pool, so a reader that may know a block of it has not passed the goal.
 */
static uint64_t goal(size_t bytes)
{
	struct binding *binding = binding_current;
	struct qsbr_shared *shared = own_sequence(binding);

	binding->deferred += bytes;
	if (binding->deferred <= ADVANCE_BYTES)
		return load(&shared->x_wr_seq) + 2;
	binding->deferred = 0;
	return advance(shared);
}

/*
 * The lowest number that any attached thread has passed, as qsbr_poll_scan of CPython's qsbr.c
 * finds it; rd_seq is raised to it, so that others need not scan.  Threads that are detached read
 * nothing and are passed over.  CPython replaces the array while the world is stopped, and that
 * cannot happen while the calling thread is attached and in here.
 */
static uint64_t scan(struct qsbr_shared *shared)
{
	uint64_t lowest, read = load(&shared->x_rd_seq);
	size_t size = (size_t)layout_word(shared, layout.size);

	/* Partner: the store of x_seq in _Py_qsbr_attach.  The protocol is CPython's, and so is the
	 * fence. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* Z4 */
	lowest = load(&shared->x_wr_seq);
	if (BUG(overlook_threads))
		size = 0;
	for (size_t i = 0; i < size; i++) {
		uint64_t seq = load(&shared->array[i].x_seq);

		if (seq != 0 && seq < lowest)
			lowest = seq;
	}
	if (read >= lowest)
		return read;
	/* if this fails another thread has raised it meanwhile; the number found is true as well */
	__atomic_compare_exchange_n(&shared->x_rd_seq, &read, lowest, false, __ATOMIC_SEQ_CST,
	                            __ATOMIC_SEQ_CST);
	return lowest;
}

/*
 * Issue this goal if it is the number that comes next.  A pool waits for it, and perhaps no thread
 * will ever free enough to advance the sequence.  If the compare-and-swap fails, another thread has
 * issued it.
 */
static void issue(struct qsbr_shared *shared, uint64_t goal)
{
	uint64_t before = goal - 2;

	if (!BUG(await_unissued) && load(&shared->x_wr_seq) == before)
		__atomic_compare_exchange_n(&shared->x_wr_seq, &before, goal, false,
		                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); /* Z4 */
}

/*
 * Has every reader passed this goal?  A goal that is more than one number ahead was not given by
 * this sequence: the interpreter that gave it is gone with its readers.  Otherwise the goal is
 * issued, and first compared with what others have found (rd_seq) before all threads are looked at.
 * false: the pool waits on, and a later call asks again.
 */
static bool reached(uint64_t goal)
{
	struct qsbr_shared *shared = own_sequence(binding_current);

	if (!BUG(await_the_dead) && goal > load(&shared->x_wr_seq) + 2)
		return true;
	issue(shared, goal);
	return goal <= load(&shared->x_rd_seq) || goal <= scan(shared);
}

/*
 * Is the calling thread a user of this family?  It is if it has a binding for the family's
 * interpreter and is attached to that.  Only users call the two functions above, so these always
 * find a sequence.
 */
static bool is_user(const arn_family *family)
{
	const struct binding *binding = binding_current;

	return binding->interp && binding->family == family && own_sequence(binding);
}

const struct arn_provider qsbr_provider = { goal, reached, is_user };
