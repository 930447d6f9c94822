/* SPDX-License-Identifier: MIT
 *
 * build.h - the build ids of the programs and libraries whose code is in stacks, as records.
 *
 * They are read from memory: the file of a library may be replaced, or written over, while a
 * process has the old one mapped.  Whoever looks for the names of functions later takes those of a
 * file with the same id only.
 *
 * It takes a way to find modules without a lock (trace.h), which glibc has from 2.35 on.  Without
 * it, and for files that were linked without a build id, there are no records.
 *
 * Owner       any thread.
 * Progress    lock-free: trace_find_module takes no lock.  A file whose code is on the stack of the
 *             calling thread is not unmapped meanwhile.
 */
#ifndef ARN_BUILD_H
#define ARN_BUILD_H

#include "profile/record.h"

/* These frames are of a stack of the calling thread, and new: make sure that there is a record for
 * each file in which a native one of them lies. */
void build_note(const uint64_t *frame, unsigned n);

#endif
