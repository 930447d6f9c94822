/* SPDX-License-Identifier: MIT
 *
 * qsbr.h - tells when the lock-free readers of a free-threaded CPython are done with a pool of
 * objects.  It uses CPython's own QSBR (InternalDocs/qsbr.md), as far as that can be reached in an
 * interpreter that was not changed.
 *
 * Goal        a sequence number of the interpreter whose thread empties the pool.  The sequence is
 *             advanced once for every 80 KiB of empty pools.  In between, the goal is the number
 *             that comes next and has not been issued yet.  It is issued when a thread asks whether
 *             it has been reached, so that a goal is not waited for in vain.
 * Reached     when every attached thread of the interpreter has passed the goal.  Also when the
 *             sequence of the interpreter began anew: then the interpreter that gave the goal is
 *             gone, and its readers with it.
 * Callers     users of the family: threads that are attached to its interpreter and have a binding
 *             for it.
 * Progress    wait-free in the number of the interpreter's threads.  A detached thread holds up no
 *             other.  A thread that is attached and does not reach its eval breaker keeps goals
 *             from being reached, and no thread waits for that.
 * Ordering    Z4  x_wr_seq, x_rd_seq and x_seq are CPython's, all accesses seq_cst as in its
 *                 qsbr.c.
 */
#ifndef ARN_PYTHON_QSBR_H
#define ARN_PYTHON_QSBR_H

#include <arenite/arenite.h>

extern const struct arn_provider qsbr_provider;

#endif
