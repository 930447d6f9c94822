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

#include "profile/record.h"

/* Each call of CPython's interpreter runs some frames of Python, and has an entry frame of its own
 * behind the outermost of them.  That lies in the stack of the thread, in the frame of the C
 * function that is the interpreter: so it says between which native frames those of Python belong.
 */
struct python_seam {
	uintptr_t entry; /* where the entry frame is */
	unsigned end;    /* how many frames of Python come before it */
};

/* Frames (FRAME_PYTHON of record.h), the innermost first.  Calls that run no frames have no seam.
 */
struct python_stack {
	unsigned n, seams;
	bool cut; /* there were more */
	uint64_t frame[FRAMES_MAX];
	struct python_seam seam[FRAMES_MAX];
};

/* The frames of the calling thread; none without a Python that is known. */
void python_frames(struct python_stack *stack);

#endif
