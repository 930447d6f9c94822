/* SPDX-License-Identifier: MIT
 *
 * notice.h - what is said on stderr about objects that stay with CPython.
 *
 * The first process of a tree of Pythons says it.  Its children inherit a mark in the environment
 * and are silent, because a program that starts a thousand of them would say it a thousand times.
 */
#ifndef ARN_PYTHON_NOTICE_H
#define ARN_PYTHON_NOTICE_H

/* One line, by the first process: process_is_first_python. */
void notice(const char *why);

#endif
