/* SPDX-License-Identifier: MIT
 *
 * reinit.h - a second Py_Initialize in one process.
 *
 * CPython (3.12 and later) starts again with its own allocators then.  With these it would free
 * what is left of the first interpreter, and crash.  Between that reset and the first free CPython
 * calls nothing of Arenite, but it does call libc: every initialization begins by reading the
 * configuration, and that by setlocale(LC_CTYPE, NULL) (_PyPreConfig_Read in Python/preconfig.c).
 * So the shared library has a setlocale of its own.  It puts the hooks back when an interpreter has
 * ended and its runtime has been reset, it looks for a Python that has come late (late.h), and
 * otherwise it only passes calls on.
 *
 * Two things together show that an interpreter has ended: one has begun, which the hooks see when
 * it asks for memory (hook.c), and there is none now.  CPython does have a list of functions to
 * call at its end, but in 3.12 that list has a lock, which does not exist before the runtime does.
 * Py_IsInitialized and PyInterpreterState_Main only read a word, in all versions.
 *
 * A program that links the static library has to say it itself: it calls Py_PreInitialize and then
 * arn_python_install.
 *
 * Ordering    Z5  x_begun: begun or expect (release) -> setlocale (acquire): what to call, and
 *                 `cpython`.
 */
#ifndef ARN_PYTHON_REINIT_H
#define ARN_PYTHON_REINIT_H

/*
 * From now on call `begin` when a new runtime has replaced the present one.  To be called while no
 * Python thread runs.
 */
void reinit_expect(void (*begin)(void));
/* An interpreter runs on the present runtime; any thread. */
void reinit_begun(void);

#endif
