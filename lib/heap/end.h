/* SPDX-License-Identifier: MIT
 *
 * end.h - what a thread hands over when it ends: the remote frees that it has gathered, its heaps,
 * and its record.
 */
#ifndef ARN_END_H
#define ARN_END_H

#include "heap/thread.h"

/* Called once, at the start of the process.  From then on a thread that ends comes here. */
void end_init(void);
/* Hand over what the calling thread's record holds, and then the record itself.  Called by that
 * thread at its end, from the destructor of a pthread key. */
void end_thread_record(struct thread *thread);

#endif
