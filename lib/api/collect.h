/* SPDX-License-Identifier: MIT
 *
 * collect.h - asks a Python in this process for a collection of garbage.
 *
 * A collection cannot be made where memory is asked for: the caller may hold CPython's critical
 * sections, or be in the collector itself.  So a *pending call* is left with the interpreter, which
 * makes it at its next eval breaker, in a thread that runs Python code; there it calls
 * PyGC_Collect. A program that has switched its collector off (gc.disable) gets no collection.
 *
 * The call is left by Py_AddPendingCall, so the main thread of the main interpreter makes it, and
 * other interpreters are left to their own collectors.  A main thread that waits, in join() for its
 * workers for example, makes no pending calls until it has waited.  Meanwhile another thread may
 * come for what was asked (arn_collect), as that of the module's watch() does.  CPython has a
 * function for any thread of any interpreter (_PyEval_AddPendingCall), and it cannot be used here:
 * it takes the lock of the list of threads, and CPython asks for memory while it holds that (the
 * frames of all threads that `sys` tells, the collector's walk of stacks).
 *
 * Synchronization   collect_find: while there is one thread, or no interpreter runs. collect_ask:
 *                   any thread that is in no slow path of a heap.
 * Progress          collect_ask takes CPython's lock of the pending calls of the main thread,
 *                   which is held for a few instructions, and under which no memory is asked for.
 *                   It is no lock-free operation: a thread that has to wait long detaches, and
 *                   doc/budget.md says what that means.
 *                   It is called at most once between two collections, and never while a heap is
 *                   half done.
 */
#ifndef ARN_COLLECT_H
#define ARN_COLLECT_H

#include "base/base.h"

/* Look for a Python in the library with this handle of dlopen, or in all global ones
 * (RTLD_DEFAULT). true: there is one. */
bool collect_find(void *library) PRIVATE(collect_find);

/* The same for functions that were found already, or stand for Python's: both, or NULL and NULL. */
void collect_use(ptrdiff_t (*collect)(void),
                 int (*add_pending_call)(int (*call)(void *), void *arg));

/* What is called in the interpreter when a collection has ended, with its duration in ms. */
void collect_on_end(void (*ended)(unsigned ms));

/* Ask for a collection.  false: there is no Python that could be asked, or one that was asked
 * before has not begun. */
bool collect_ask(void);

/* The child of a fork has no collection that was asked for. */
void collect_fork_child(void);

#endif
