/* SPDX-License-Identifier: MIT
 *
 * qsbr.h - when the lock-free readers of a free-threaded CPython are done with a pool of objects:
 * its own QSBR (InternalDocs/qsbr.md), by means that an unmodified interpreter leaves us.
 *
 * Goal        a sequence number of the interpreter whose thread empties the pool.  The sequence is
 *             advanced once for every 80 KiB.  In between the goal is the number that comes next,
 *             which nobody has issued: it is issued when somebody asks whether it has been reached,
 *             so whoever waits for it does not wait in vain.
 * Reached     when every attached thread of the interpreter has passed it, or when the
 *             interpreter's sequence began anew: then the one that gave the goal is gone with its
 *             readers.
 * Progress    wait-free, in the number of the interpreter's threads.  A detached thread holds up
 *             nobody; one that is attached and does not reach its eval breaker does.
 * Ordering    Z4  x_wr_seq, x_rd_seq and x_seq are CPython's, all accesses seq_cst as in its
 *                 qsbr.c.
 */
#ifndef ARN_PYTHON_QSBR_H
#define ARN_PYTHON_QSBR_H

#include <arenite/arenite.h>

extern const struct arn_provider qsbr_provider;

#endif
