/* SPDX-License-Identifier: MIT
 *
 * trial.h - may objects of a free-threaded interpreter be ours?  Asked of the interpreter itself, once it runs.
 *
 * The hook lets everything through at first.  When the first object is asked for, a call is left with the
 * interpreter (Py_AddPendingCall), which makes it at its next eval breaker, in its main thread, where objects may be
 * allocated.  That call compares the thread state with layout.h, allocates an object with the collector and one
 * without, and sees which heaps CPython asks for.
 *
 * States      LEFT; UNTRIED -> ASKED -> SERVED or LEFT.  x_state: release by the trial, acquire by the others: layout.
 */
#ifndef ARN_PYTHON_TRIAL_H
#define ARN_PYTHON_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

enum trial_state { TRIAL_LEFT, TRIAL_UNTRIED, TRIAL_ASKED, TRIAL_SERVED };

/* A request for `size` bytes by this thread: may it be ours? */
bool trial_is_served(const void *thread_state, size_t size);

/* Serve without a trial: with the GIL there is nothing to try. */
void trial_skip(void);
/* Try at the first request. */
void trial_begin(void);
/* Leave objects with CPython; says why, aloud if that is a surprise. */
void trial_refuse(const char *why, bool aloud);

enum trial_state trial_state(void);
/* NULL: nothing was refused */
const char *trial_reason(void);

#endif
