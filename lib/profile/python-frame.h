/* SPDX-License-Identifier: MIT
 *
 * python-frame.h - the Python frames of the calling thread, of CPython 3.13 and later.
 *
 * A thread reads its own frames by the offsets of python-offset.h: they do not change meanwhile,
 * and hold their code objects, so no reference, lock or allocation is needed.
 *
 * Owner       python_frames: any thread, for its own frames.
 * Progress    wait-free in the number of frames, and lock-free where a code object is new.
 */
#ifndef ARN_PYTHON_FRAME_H
#define ARN_PYTHON_FRAME_H

#include "base/base.h"

/* Store up to `most` frames (FRAME_PYTHON of record.h), the innermost first.  Returns their number,
 * and in *cut whether there were more. */
unsigned python_frames(uint64_t *frames, unsigned most, bool *cut);

#endif
