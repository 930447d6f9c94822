/* SPDX-License-Identifier: MIT
 *
 * selftest.h - finds out whether Arenite may serve the objects of a free-threaded interpreter, by a
 * trial in the interpreter itself, once it runs.
 *
 * At first the object hook passes every request on.  At the first request for an object, a call is
 * left with the interpreter (Py_AddPendingCall), which makes it at its next eval breaker, in its
 * main thread, where objects may be allocated.  That call measures the thread state (layout.h),
 * allocates an object with the collector and one without, and sees for which heaps CPython asks.
 *
 * States      LEFT: objects stay with CPython.  UNTRIED -> ASKED -> SERVED or LEFT.
 * Ordering    x_state: the self-test stores (release), the others load (acquire): `layout`.
 */
#ifndef ARN_PYTHON_SELFTEST_H
#define ARN_PYTHON_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>

enum selftest_state { SELFTEST_LEFT, SELFTEST_UNTRIED, SELFTEST_ASKED, SELFTEST_SERVED };

/*
 * A request for an object of `size` bytes by the calling thread: may Arenite serve it?  The first
 * such question leaves the self-test with the interpreter.  During the self-test the request is
 * noted.  Any thread.
 */
bool selftest_is_served(const void *thread_state, size_t size);

/*
 * Serve objects without a self-test: with the GIL there is nothing to try.  This and the two
 * functions below are called before an interpreter runs; the last also by the self-test.
 */
void selftest_skip(void);
/* Make a self-test at the first request. */
void selftest_begin(void);
/*
 * Leave objects with CPython for this reason, which is a constant text.  aloud: write a line about
 * it, because the user could not expect it.
 */
void selftest_refuse(const char *why, bool aloud);

enum selftest_state selftest_state(void);
/* The reason of selftest_refuse; NULL: objects were not refused. */
const char *selftest_reason(void);

#endif
