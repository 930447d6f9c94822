/* SPDX-License-Identifier: MIT
 *
 * python-frame.h - the Python frames of the calling thread, of CPython 3.13 and later.
 *
 * CPython says at the beginning of _PyRuntime where the fields of a thread state, a frame and a
 * code object are (_Py_DebugOffsets), for debuggers.  A thread reads its own frames by that: they
 * do not change meanwhile, and hold their code objects, so no reference, lock or allocation is
 * needed.  The table itself differs from one minor version to the next; those that are not known
 * give no frames.
 *
 * Owner       python_frames: any thread, for its own frames.
 * Progress    wait-free in the number of frames, and lock-free where a code object is new.
 */
#ifndef ARN_PYTHON_FRAME_H
#define ARN_PYTHON_FRAME_H

#include "base/base.h"

/* Look for a CPython in this process.  Called while there is one thread; again, if a library that
 * brings one was loaded later. */
void python_frame_init(void);
/* PY_VERSION_HEX of the CPython whose frames can be read, or 0. */
uint32_t python_frame_version(void);
/* Is there a CPython whose frames cannot be read? */
bool python_frame_is_unknown(void);
/* Store up to `most` frames (FRAME_PYTHON of record.h), the innermost first.  Returns their number,
 * and in *cut whether there were more. */
unsigned python_frames(uint64_t *frames, unsigned most, bool *cut);

#endif
