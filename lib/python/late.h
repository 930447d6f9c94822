/* SPDX-License-Identifier: MIT
 *
 * late.h - a CPython that is loaded while the program runs (dlopen), as uWSGI, mod_wsgi and
 * PyInstaller's start program do it.
 *
 * Such a program has no Python yet when this library is loaded.  But the initialization of Python
 * calls setlocale (reinit.h), before it has asked for memory, and our setlocale looks for a Python
 * then.  If dlopen made the names of libpython global (RTLD_GLOBAL) they are found as usual.  If
 * not (RTLD_LOCAL), libpython is the library that calls setlocale, and the names are looked for in
 * it.
 *
 * Lifetime    a library in which a Python was found is never unloaded again: its blocks are
 *             Arenite's, and it calls the hooks.
 * Progress    one thread at a time looks; another one that comes meanwhile goes on without a look.
 * Ordering    Z6  x_install: watch or the end of a look (release) -> the next look (acquire): what
 *                 the look before has left in `cpython`.
 */
#ifndef ARN_PYTHON_LATE_H
#define ARN_PYTHON_LATE_H

#include <stdbool.h>

/*
 * There is no Python yet.  From now on late_look calls `install` with a handle of a library, or
 * with RTLD_DEFAULT, when a library has been loaded since; until `install` returns true.  To be
 * called once, by the constructor.
 */
void late_watch(bool (*install)(void *library));
/* setlocale was called from the address `caller`.  Any thread. */
void late_look(const void *caller);
/* Never unload the library that has this symbol. */
void late_keep(const void *symbol);

#endif
