/* SPDX-License-Identifier: MIT
 *
 * selftest.h - may objects of a free-threaded interpreter be ours?  Asked of the interpreter
 * itself, once it runs.
 *
 * The hook lets everything through at first.  When the first object is asked for, a call is left
 * with the interpreter (Py_AddPendingCall), which makes it at its next eval breaker, in its main
 * thread, where objects may be allocated.  That call compares the thread state with layout.h,
 * allocates an object with the collector and one without, and sees which heaps CPython asks for.
 *
 * States      LEFT; UNTRIED -> ASKED -> SERVED or LEFT.  x_state: release by the self-test, acquire
 *             by the others: layout.
 */
#ifndef ARN_PYTHON_TRIAL_H
#define ARN_PYTHON_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

enum selftest_state { SELFTEST_LEFT, SELFTEST_UNTRIED, SELFTEST_ASKED, SELFTEST_SERVED };

/* A request for `size` bytes by this thread: may it be ours? */
bool selftest_is_served(const void *thread_state, size_t size);

/* Serve without a self-test: with the GIL there is nothing to try. */
void selftest_skip(void);
/* Try at the first request. */
void selftest_begin(void);
/* Leave objects with CPython; says why, aloud if that is a surprise. */
void selftest_refuse(const char *why, bool aloud);

enum selftest_state selftest_state(void);
/* NULL: nothing was refused */
const char *selftest_reason(void);

#endif
