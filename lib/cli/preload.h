/* SPDX-License-Identifier: MIT
 *
 * preload.h - libarenite-python.so and the variable LD_PRELOAD, for `run` and `doctor`.
 */
#ifndef ARN_CLI_PRELOAD_H
#define ARN_CLI_PRELOAD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The path of the library that was built or installed with this program.  false: there is none, or
 * LD_PRELOAD cannot hold its path; a line on stderr has said so.
 */
bool preload_find(char path[PATH_MAX]);

/*
 * What LD_PRELOAD has beside this library, with colons between.  false: it is longer than size
 * bytes.
 */
bool preload_others(char *list, size_t size);

/*
 * Put the library at the end of LD_PRELOAD, in which it is only once then, and let programs that
 * were built with AddressSanitizer start under it.  false: there is no memory.
 */
bool preload_set(const char *path);

/* Take the library out of LD_PRELOAD if it is there.  false: there is no memory. */
bool preload_unset(void);

#endif
