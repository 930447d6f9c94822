/* SPDX-License-Identifier: MIT */
#include "api/collect.h"

#include "base/atomic.h"
#include "os/os.h"

#include <arenite/arenite.h>

#include <stdlib.h>

/* The interpreter's functions. */
static struct {
	ptrdiff_t (*collect)(void);
	int (*add_pending_call)(int (*call)(void *), void *arg);
} python;

static void (*tell_ended)(unsigned ms);
static _Atomic bool x_asked; /* a collection was asked for, and has not begun */
static _Atomic bool x_left;  /* a call lies with the interpreter, which has not made it */

void collect_use(ptrdiff_t (*collect)(void),
                 int (*add_pending_call)(int (*call)(void *), void *arg))
{
	python.collect = collect;
	python.add_pending_call = add_pending_call;
}

bool collect_find(void *library)
{
	ptrdiff_t (*collect)(void);
	int (*add_pending_call)(int (*call)(void *), void *arg);

	if (!os_find_function(library, "PyGC_Collect", &collect) ||
	    !os_find_function(library, "Py_AddPendingCall", &add_pending_call))
		return false;
	collect_use(collect, add_pending_call);
	return true;
}
EXPORT_PRIVATE(collect_find);

void collect_on_end(void (*ended)(unsigned ms))
{
	tell_ended = ended;
}

/* Of the threads that come for it, one makes the collection.  What is asked for from now on needs
 * another one. */
bool arn_collect(void)
{
	bool asked = true;
	unsigned begun;

	if (!load_relaxed(&x_asked) || !cas_acq_rel(&x_asked, &asked, false))
		return false;
	begun = os_milliseconds();
	python.collect();
	tell_ended(os_age(os_milliseconds(), begun));
	return true;
}

/* The pending call.  Another thread may have made the collection meanwhile. */
static int make_call(void *unused)
{
	(void)unused;
	store_relaxed(&x_left, false);
	arn_collect();
	return 0;
}

/* There is one call at most, so that the interpreter has room for it, also where its main thread
 * makes none for a long time and another thread collects.  An interpreter that has too many pending
 * calls takes none. */
static bool leave_call(void)
{
	bool left = false;

	if (!cas_acq_rel(&x_left, &left, true) && !BUG(ask_twice))
		return true;
	if (python.add_pending_call(make_call, NULL) == 0)
		return true;
	store_relaxed(&x_left, false);
	return false;
}

bool collect_ask(void)
{
	bool asked = false;

	if (!python.collect || (!cas_acq_rel(&x_asked, &asked, true) && !BUG(ask_twice)))
		return false;
	if (leave_call())
		return true;
	store_relaxed(&x_asked, false);
	return false;
}

void collect_fork_child(void)
{
	store_relaxed(&x_asked, false);
	store_relaxed(&x_left, false);
}
