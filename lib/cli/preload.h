/* SPDX-License-Identifier: MIT
 *
 * preload.h - the libraries that may come into LD_PRELOAD, for `run` and `doctor`.
 */
#ifndef ARN_CLI_PRELOAD_H
#define ARN_CLI_PRELOAD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* libarenite-malloc.so and libarenite-python.so, in their order in LD_PRELOAD. */
enum preload { PRELOAD_MALLOC, PRELOAD_PYTHON, PRELOADS };

/* The paths of those that are to be preloaded; those of the others are empty. */
struct preload_list {
	char path[PRELOADS][PATH_MAX];
};

/* Has the path neither a blank nor a colon?  LD_PRELOAD takes both for the end of a path. */
bool preload_can_hold(const char *path);

/*
 * Replace the path of a library by one without blanks and colons, through a link (preload-link.c).
 * false: the link cannot be made; the path is as it was.
 */
bool preload_link(char path[PATH_MAX]);

/*
 * Add the library that was built or installed with this program to the list.  false: there is none,
 * or LD_PRELOAD cannot hold its path, nor a link to it; a line on stderr has said so.
 */
bool preload_find(struct preload_list *list, enum preload library);

/*
 * What LD_PRELOAD has beside these libraries, with colons between.  false: it is longer than size
 * bytes.
 */
bool preload_others(char *list, size_t size);

/*
 * Put the libraries of the list at the end of LD_PRELOAD, which has each of them once then, and
 * none that is not in the list.  Programs that were built with AddressSanitizer start under it,
 * unless malloc is in the list: that is what the sanitizer must have for itself.  false: there is
 * no memory.
 */
bool preload_set(const struct preload_list *list);

#endif
