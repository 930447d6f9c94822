/* SPDX-License-Identifier: MIT
 *
 * selftest.c - the self-test of a free-threaded interpreter, and its state.
 */
#include "python/selftest.h"

#include "base/atomic.h"
#include "python/cpython.h"
#include "python/layout.h"
#include "python/notice.h"

#include <arenite/arenite.h>

static _Atomic unsigned x_state = SELFTEST_LEFT;
static const char *reason;

/*
 * What the object hook has seen during the self-test: how many requests, and the size and the heap
 * of the last one.  The pointer is set only in the thread that makes the self-test.
 */
struct sight {
	unsigned requests;
	size_t size;
	int tag;
};
static __thread struct sight *sight;

enum selftest_state selftest_state(void)
{
	return (enum selftest_state)load_acquire(&x_state);
}

const char *selftest_reason(void)
{
	return reason;
}

void selftest_refuse(const char *why, bool aloud)
{
	reason = why;
	store_release(&x_state, SELFTEST_LEFT);
	if (aloud)
		notice(why);
}

void selftest_skip(void)
{
	reason = NULL;
	store_release(&x_state, SELFTEST_SERVED);
}

void selftest_begin(void)
{
	reason = NULL;
	store_release(&x_state, SELFTEST_UNTRIED);
}

/* Did the allocation succeed by exactly one request, of at least this size and for this heap? */
static bool saw(const struct sight *seen, const void *made, size_t least, int tag)
{
	return made && seen->requests == 1 && seen->size >= least && seen->tag == tag;
}

/*
 * Does PyObject_Malloc ask for the heap of objects?  With debug hooks on top the request is for
 * more bytes than were asked for, so the caller gets its size.
 */
static bool plain_block_fits(struct sight *seen, size_t *asked)
{
	void *block;

	*seen = (struct sight){ 0 };
	block = cpython.object_malloc(1000);
	*asked = seen->size;
	if (block)
		cpython.object_free(block);
	return saw(seen, block, 1000, ARN_TAG_OBJECT);
}

/*
 * Does an object of this type come from the heap with this tag?  If there is no memory for it,
 * CPython has set an exception, which is cleared.
 */
static bool object_fits(struct sight *seen, void *type, int tag)
{
	void *object;

	*seen = (struct sight){ 0 };
	object = cpython.generic_alloc(type, 0);
	if (object)
		cpython.decref(object);
	else
		cpython.clear_error();
	return saw(seen, object, 24, tag);
}

/*
 * The self-test: measure the thread state, then try a block, an object without the collector and
 * one with it, through CPython's own functions.  NULL: all is as expected.  Otherwise the result
 * says what is not, and *aloud whether the user should be told; debug hooks are the user's own
 * choice.
 */
static const char *try(struct sight *seen, bool *aloud)
{
	const char *missing = layout_measure(cpython.thread_state(), cpython.interpreter());
	size_t asked;

	*aloud = true;
	if (missing)
		return missing;
	if (!plain_block_fits(seen, &asked))
		return "memory for objects is not asked for as expected";
	if (asked != 1000) {
		*aloud = false;
		return "debug hooks are on top, which look for CPython's own pages around an "
		       "object";
	}
	if (!object_fits(seen, cpython.float_type, ARN_TAG_OBJECT))
		return "an object without the collector is not where it was expected";
	if (!object_fits(seen, cpython.list_type, ARN_TAG_GC))
		return "an object with the collector is not where it was expected";
	return NULL;
}

/*
 * The call that the interpreter makes for us.  It returns 0 always, since a result of -1 would be
 * an exception in the program, and a failure of the self-test is not the program's.  The state is
 * stored last, when `layout` is complete.
 */
static int run(void *unused)
{
	struct sight seen;
	const char *why;
	bool aloud;

	(void)unused;
	sight = &seen;
	why = try(&seen, &aloud);
	sight = NULL;
	if (why)
		selftest_refuse(why, aloud);
	else
		store_release(&x_state, SELFTEST_SERVED);
	return 0;
}

/*
 * Leave the call with the interpreter.  Only one thread gets from UNTRIED to ASKED.  If the
 * interpreter's list of pending calls is full, the state goes back and a later request tries again.
 */
static void ask(void)
{
	unsigned state = SELFTEST_UNTRIED;

	if (cas_acq_rel(&x_state, &state, SELFTEST_ASKED) &&
	    cpython.add_pending_call(run, NULL) != 0)
		store_release(&x_state, SELFTEST_UNTRIED);
}

bool selftest_is_served(const void *thread_state, size_t size)
{
	enum selftest_state state = selftest_state();

	if (state == SELFTEST_SERVED)
		return true;
	if (sight) {
		sight->requests++;
		sight->size = size;
		sight->tag = layout_tag(thread_state);
	} else if (state == SELFTEST_UNTRIED) {
		ask();
	}
	return false;
}
