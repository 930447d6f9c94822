/* SPDX-License-Identifier: MIT */
#include "api/collect.h"

#include "base/atomic.h"
#include "os/os.h"

#include <stdlib.h>

/* The interpreter's functions. */
static struct {
	ptrdiff_t (*collect)(void);
	int (*add_pending_call)(int (*call)(void *), void *arg);
} python;

static void (*tell_ended)(unsigned ms);
static _Atomic bool x_asked; /* a call was left with the interpreter, and has not begun */

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

/* The pending call.  What is asked for from now on needs another one. */
static int collect(void *unused)
{
	unsigned begun = os_milliseconds();

	(void)unused;
	store_relaxed(&x_asked, false);
	python.collect();
	tell_ended(os_age(os_milliseconds(), begun));
	return 0;
}

/* An interpreter that has too many pending calls takes none. */
bool collect_ask(void)
{
	bool asked = false;

	if (!python.collect || (!cas_acq_rel(&x_asked, &asked, true) && !BUG(ask_twice)))
		return false;
	if (python.add_pending_call(collect, NULL) == 0)
		return true;
	store_relaxed(&x_asked, false);
	return false;
}

void collect_fork_child(void)
{
	store_relaxed(&x_asked, false);
}
