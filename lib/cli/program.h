/* SPDX-License-Identifier: MIT
 *
 * cli-program.h - what a name on the command line comes to, for `run` and `doctor`.
 */
#ifndef ARN_CLI_PROGRAM_H
#define ARN_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/* As execvp(3) would find it; false: errno says why not. */
bool program_find(char path[PATH_MAX], const char *name);

/* The interpreter that a script names in its first line, by path or with env. */
bool program_of_script(const char *path, char interpreter[PATH_MAX]);

/* Is the program linked with libarenite, as a grafted interpreter is, by itself or by its
 * libpython?  It needs no preload, and may bring another version of that library, which ours would
 * not fit. */
bool program_has_arenite(const char *path);

#endif
