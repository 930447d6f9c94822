/* SPDX-License-Identifier: MIT
 *
 * end.h - what a thread hands over when it ends: blocks that it has gathered, its heaps, its
 * record.
 */
#ifndef ARN_END_H
#define ARN_END_H

#include "heap/thread.h"

/* Once, at the start of the process: from now on threads that end come here. */
void end_init(void);
/* The calling thread's record. */
void end_thread_record(struct thread *thread);

#endif
