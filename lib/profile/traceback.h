/* SPDX-License-Identifier: MIT
 *
 * traceback.h - stacks as lines on stderr: of threads in Python, and of the profile's samples.
 *
 * This is what base/trace.h has to say of Python and of blocks, while a program ends because it has
 * misused memory.  So nothing that is read is relied on: the system copies it (os_read), and what
 * is written has bounds.  Other threads run on meanwhile, and the lines of one that calls or
 * returns at that moment may be of different moments.  Nothing is allocated or locked.
 *
 * Owner       traceback_stack: any thread, at any time, also in a handler of a signal.
 */
#ifndef ARN_TRACEBACK_H
#define ARN_TRACEBACK_H

#include "profile/record.h"

/* Called once at the start of the process, whether a profile is taken or not, and again when a
 * Python may have been loaded. */
void traceback_init(void);
/* Write a line for each frame of this stack, which lies in the image at this place. */
void traceback_stack(uint64_t place);

#endif
