/* SPDX-License-Identifier: MIT
 *
 * cli-preload.h - libarenite-python.so and the variable LD_PRELOAD, for `run` and `doctor`.
 */
#ifndef ARN_CLI_PRELOAD_H
#define ARN_CLI_PRELOAD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Where the library is: beside this program, built or installed; false: a line on stderr says why
 * not. */
bool preload_find(char path[PATH_MAX]);

/* What LD_PRELOAD has besides our library, with colons between; false: longer than size. */
bool preload_others(char *list, size_t size);

/* Put the library at the end of LD_PRELOAD, once; and let programs with a sanitizer start below
 * it. */
bool preload_set(const char *path);

/* Take it out, should it be there. */
bool preload_unset(void);

#endif
