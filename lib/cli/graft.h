/* SPDX-License-Identifier: MIT
 *
 * graft.h - what the parts of `arenite graft` share: files as texts, and the overlay.
 *
 * The overlay is the four files of lib/graft, as they are installed.  Each takes the place of one
 * file in CPython's source tree.
 */
#ifndef ARN_CLI_GRAFT_H
#define ARN_CLI_GRAFT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* The files that are replaced: the path in CPython's source tree, and the name in the overlay. */
enum { GRAFT_FILES = 4 };
struct graft_file {
	const char *path, *overlay;
};
extern const struct graft_file graft_files[GRAFT_FILES];

/*
 * The text of a file, in memory from malloc and with a 0 after it.  bytes NULL: there is no file.
 */
struct content {
	char *bytes;
	size_t length;
};

/* Read a regular file.  false: it cannot be read, and *content is that of no file. */
bool content_read(struct content *content, const char *path);
/* Are the texts equal, or are both of no file? */
bool content_equal(const struct content *a, const struct content *b);

/*
 * Make the file hold this text, or not exist, in one atomic step.  false: errno says why, and the
 * file is as it was.
 */
bool content_put(const char *path, const struct content *content);

/* Put directory/name and the suffix together.  false: the path is too long. */
bool graft_join(char path[PATH_MAX], const char *directory, const char *name, const char *suffix);

/*
 * What a file in one of the four places is.  A file of the overlay has in its first line the
 * checksum of the rest.  So a file that somebody has changed can be told from a file of another
 * version of Arenite.  Overlays from before November 2026 have no such line and are known by their
 * head.
 */
enum graft_origin {
	GRAFT_FOREIGN,
	GRAFT_CPYTHON, /* a file of the mimalloc that comes with CPython */
	GRAFT_OVERLAY, /* as Arenite wrote it, of this version or of another */
	GRAFT_EDITED,  /* the overlay, changed since */
};
enum graft_origin graft_origin(const struct content *content);

/* Put the line with the checksum before the text.  false: there is no memory. */
bool graft_stamp(struct content *content);

/*
 * Read the overlay's files, as they are installed and without the line of the checksum.  false: a
 * line on stderr has said why not.
 */
bool graft_read_overlay(struct content overlay[GRAFT_FILES]);

/*
 * Does the overlay have all that the tree uses of mimalloc?  With `list` all of it is printed.
 * Without, a line on stderr names what is missing, if something is.
 */
bool graft_check(const char *tree, const struct content overlay[GRAFT_FILES], bool list);

/*
 * Print a unified diff between two texts of a file of the tree, for patch -p1.  Nothing is printed
 * if they are equal.
 */
void graft_print_diff(const char *name, const struct content *before, const struct content *after);

#endif
