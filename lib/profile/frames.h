/* SPDX-License-Identifier: MIT
 *
 * frames.h - the stack of the calling thread as a record: frames of Python where there are some,
 * and else native ones.
 *
 * Progress    lock-free, but for native frames: those are found by _Unwind_Backtrace of libgcc.
 *             With glibc 2.35 or later and gcc 12 or later that takes no lock and does not
 *             allocate; older ones take the lock of the dynamic linker.
 */
#ifndef ARN_FRAMES_H
#define ARN_FRAMES_H

#include "profile/record.h"

/* Called once, while there is one thread. */
void frames_init(void);
/* The record of the calling thread's stack; NULL: the image is full.  Without frames of Python in a
 * process that has Python, native ones are looked for only if they are wanted: they take some
 * microseconds. */
struct record_stack *frames_here(bool want_native);
/* The frames of Python, and the native ones, each by themselves.  NULL: there are none, or the
 * image is full. */
struct record_stack *frames_python(void);
struct record_stack *frames_native(void);
/* A number for the innermost native frames: calls from the same place of the program mostly have
 * the same number, and others another one. */
uint64_t frames_caller(void);

#endif
