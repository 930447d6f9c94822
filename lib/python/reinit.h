/* SPDX-License-Identifier: MIT
 *
 * reinit.h - a second Py_Initialize in one process.
 *
 * CPython (3.12 and later) then starts with its own allocators, and would free what is left of the
 * first interpreter with them, that is crash.  Nothing of ours is called between that reset and the
 * first free.  But libc is: reading the configuration, which every initialization begins with,
 * starts with setlocale(LC_CTYPE, NULL) (_PyPreConfig_Read in Python/preconfig.c).  So the shared
 * library has a setlocale of its own, which puts the hooks back when an interpreter has ended and
 * its runtime has been reset, looks for a Python that has come late (late.h), and otherwise only
 * passes calls on.
 *
 * That an interpreter has ended is seen from two things: one has begun, which the hooks see when it
 * asks for memory (hook.c), and there is none now.  CPython has a list of functions to call at its
 * end, but in 3.12 that list has a lock, which does not exist before the runtime does.
 * Py_IsInitialized and PyInterpreterState_Main only read a word, in all versions.
 *
 * A program that links the static library says so itself: Py_PreInitialize, then
 * arn_python_install.
 *
 * Ordering    Z5  x_begun: begun or expect (release) -> setlocale (acquire): what to call, and
 *                 `cpython`.
 */
#ifndef ARN_PYTHON_REINIT_H
#define ARN_PYTHON_REINIT_H

/* Call `begin` when a new runtime starts to replace the present one, while no Python thread
 * runs. */
void reinit_expect(void (*begin)(void));
/* An interpreter runs on the present runtime. */
void reinit_begun(void);

#endif
