/* SPDX-License-Identifier: MIT */
#include "python/qsbr.h"

#include "base/base.h"
#include "python/cpython.h"
#include "python/layout.h"
#include "python/binding.h"

/* obmalloc.c, QSBR_PAGE_MEM_LIMIT: the counter is read by all threads all the time and not to be
 * written for little */
#define ADVANCE_BYTES (4096 * 20)

/* These words are the interpreter's, plain integers for it. */
static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST); /* Z4 */
}

/* The interpreter's sequence numbers, if this thread is attached to the interpreter that its
 * binding is for. */
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
 * qsbr_poll_scan of CPython's qsbr.c.  The array is replaced while the world is stopped, which
 * cannot be while the calling thread is attached and here.
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
	/* whoever was faster has raised it as well */
	__atomic_compare_exchange_n(&shared->x_rd_seq, &read, lowest, false, __ATOMIC_SEQ_CST,
	                            __ATOMIC_SEQ_CST);
	return lowest;
}

/* Somebody waits for the number that comes next, and perhaps nobody else will ask for another
 * one. */
static void issue(struct qsbr_shared *shared, uint64_t goal)
{
	uint64_t before = goal - 2;

	if (!BUG(await_unissued) && load(&shared->x_wr_seq) == before)
		__atomic_compare_exchange_n(&shared->x_wr_seq, &before, goal, false,
		                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); /* Z4 */
}

static bool reached(uint64_t goal)
{
	struct qsbr_shared *shared = own_sequence(binding_current);

	/* not of this sequence, which gives no such goal */
	if (!BUG(await_the_dead) && goal > load(&shared->x_wr_seq) + 2)
		return true;
	issue(shared, goal);
	return goal <= load(&shared->x_rd_seq) || goal <= scan(shared);
}

/* A thread without a heap of this family, or not attached to its interpreter, could not tell goals
 * for it.  The two functions above are called by users alone, so they find a sequence. */
static bool is_user(const arn_family *family)
{
	const struct binding *binding = binding_current;

	return binding->interp && binding->family == family && own_sequence(binding);
}

const struct arn_provider qsbr_provider = { goal, reached, is_user };
