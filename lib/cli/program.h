/* SPDX-License-Identifier: MIT
 *
 * program.h - which program is meant by a name on the command line, for `run` and `doctor`.
 */
#ifndef ARN_CLI_PROGRAM_H
#define ARN_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/*
 * The path of the program that execvp(3) would run for this name.  false: there is none, and errno
 * says why.
 */
bool program_find(char path[PATH_MAX], const char *name);

/*
 * The path of the interpreter that a script names in its first line, directly or by way of env(1).
 * false: the file is not such a script, or the interpreter is not found.
 */
bool program_of_script(const char *path, char interpreter[PATH_MAX]);

/*
 * The path of this program itself, without links; where there is no /proc, the one with which it
 * was started.  false: it cannot be found.
 */
bool program_self(char path[PATH_MAX]);

/*
 * Is this program a Python?  Its name, or that of the file to which it is a link, begins with
 * "python", or it has the function that runs the Python of a command line.
 */
bool program_is_python(const char *path);

/*
 * Is the program linked with libarenite, by itself or by way of a library such as libpython?  A
 * grafted interpreter is.  It needs no preload, and the libarenite that it brings may be of another
 * version, which the preload would not fit.
 */
bool program_has_arenite(const char *path);
/*
 * The libarenite that the program just asked about gets from the dynamic linker; "" if there is
 * none.  The text is there until the next program is asked about.
 */
const char *program_arenite(void);

/* Does the name of the file begin as that of a Python does? */
bool program_is_called_python(const char *path);

#endif
