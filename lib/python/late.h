/* SPDX-License-Identifier: MIT
 *
 * late.h - a CPython that is loaded while the program runs (dlopen): by uWSGI, mod_wsgi,
 * PyInstaller's start program.
 *
 * When this library is loaded such a program has no Python yet.  But its initialization calls
 * setlocale (reinit.h), and so comes by here before it has asked for memory.  Where dlopen made the
 * names of libpython global (RTLD_GLOBAL) they are found as usual; else (RTLD_LOCAL) libpython is
 * the library that calls setlocale, and is asked for them.
 *
 * Lifetime    what was found is never unloaded again: its memory is ours, and the hooks are called
 *             from there.
 * Progress    one thread looks at a time; another passes by.
 * Ordering    Z6  x_install: watch or the end of a look (release) -> the next look (acquire): what
 *                 the look before has left in `cpython`.
 */
#ifndef ARN_PYTHON_LATE_H
#define ARN_PYTHON_LATE_H

#include <stdbool.h>

/*
 * None is here yet.  Call `install` with the handle of a library, or RTLD_DEFAULT, when one has
 * come that is not yet initialized; until that returns true.
 */
void late_watch(bool (*install)(void *library));
/* Somebody calls setlocale. */
void late_look(const void *caller);
/* The library that has this symbol stays. */
void late_keep(const void *symbol);

#endif
