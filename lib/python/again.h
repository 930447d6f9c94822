/* SPDX-License-Identifier: MIT
 *
 * again.h - a second Py_Initialize in one process.
 *
 * CPython (3.12 and later) then starts with its own allocators, and would free what is left of the first interpreter
 * with them, that is crash.  Nothing of ours is called between that reset and the first free.  But libc is: reading
 * the configuration, which every initialization begins with, starts with setlocale(LC_CTYPE, NULL)
 * (_PyPreConfig_Read in Python/preconfig.c).  So the shared library has a setlocale of its own, which puts the hooks
 * back when an interpreter has ended and its runtime has been reset, and otherwise only passes calls on.
 *
 * A program that links the static library says so itself: Py_PreInitialize, then arn_python_install.
 */
#ifndef ARN_PYTHON_AGAIN_H
#define ARN_PYTHON_AGAIN_H

/* Call `begin` when a new runtime starts to replace the present one, while no Python thread runs. */
void again_expect(void (*begin)(void));

#endif
