/* SPDX-License-Identifier: MIT
 *
 * notice.h - what is said on stderr about objects that stay with CPython.
 *
 * The first process of a tree of Pythons says it.  Its children inherit a mark in the environment
 * and are silent, because a program that starts a thousand of them would say it a thousand times.
 */
#ifndef ARN_PYTHON_NOTICE_H
#define ARN_PYTHON_NOTICE_H

/*
 * Write one line that says why objects stay with CPython, if this is the first process of its tree
 * that has a Python (process_is_first_python).  Any thread.
 */
void notice(const char *why);

#endif
