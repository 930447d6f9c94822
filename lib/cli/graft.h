/* SPDX-License-Identifier: MIT
 *
 * cli-graft.h - what the parts of `arenite graft` share: files as texts, and the overlay.
 */
#ifndef ARN_CLI_GRAFT_H
#define ARN_CLI_GRAFT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* The files of CPython's source tree that the overlay replaces */
enum { GRAFT_FILES = 4 };
struct graft_file {
	const char *path, *overlay;
};
extern const struct graft_file graft_files[GRAFT_FILES];

/* The text of a file, in malloc'ed memory and with a 0 after it; bytes NULL: there is no such
 * file. */
struct content {
	char *bytes;
	size_t length;
};

bool content_read(struct content *content, const char *path);
bool content_equal(const struct content *a, const struct content *b);

/* Make the file hold this text, or not exist, in one atomic step. */
bool content_put(const char *path, const struct content *content);

/* directory/name and suffix; false: too long */
bool graft_join(char path[PATH_MAX], const char *directory, const char *name, const char *suffix);

/*
 * What a file in one of the four places is.  A file of the overlay carries in its first line the
 * checksum of the rest, which tells one that somebody has changed from one of another version.
 * Overlays of before November 2026 have no such line and are known by their head.
 */
enum graft_origin {
	GRAFT_FOREIGN,
	GRAFT_CPYTHON, /* a file of the mimalloc that comes with CPython */
	GRAFT_OVERLAY, /* as Arenite wrote it, of this version or of another */
	GRAFT_EDITED,  /* the overlay, changed since */
};
enum graft_origin graft_origin(const struct content *content);

/* Put the line with the checksum before the text; false: no memory. */
bool graft_stamp(struct content *content);

/* The overlay's files, as installed and without the line of the checksum; false: a line has said
 * why. */
bool graft_read_overlay(struct content overlay[GRAFT_FILES]);

/* Whether the overlay has all that the tree uses of mimalloc.  list: print all of it; else one line
 * on stderr, if something is missing, that names it. */
bool graft_check(const char *tree, const struct content overlay[GRAFT_FILES], bool list);

/* A unified diff between two texts of a file of the tree, for patch -p1; nothing where they are
 * equal. */
void graft_print_diff(const char *name, const struct content *before, const struct content *after);

#endif
