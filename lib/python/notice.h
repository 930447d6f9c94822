/* SPDX-License-Identifier: MIT
 *
 * notice.h - what is said on stderr about objects that stay with CPython.
 *
 * The first process of a tree of Pythons says it.  Its children inherit a mark in the environment and are silent,
 * because a program that starts a thousand of them would say it a thousand times.
 */
#ifndef ARN_PYTHON_NOTICE_H
#define ARN_PYTHON_NOTICE_H

/* Marks the environment, unless a parent has.  Once, while the library is loaded or a late Python is initialized, which
 * sets variables of its own at that time. */
void notice_begin(void);

/* One line, by the process that has set the mark. */
void notice(const char *why);

#endif
