/* SPDX-License-Identifier: MIT
 *
 * graft-uses.h - what a C source uses of mimalloc: names (functions, types and macros that
 * begin with mi_, _mi_ or MI_), headers, and fields of its structs.
 *
 * Fields are found by a rule of thumb and not by a compiler.  A field is what is accessed
 *   - in a variable, parameter or struct member whose type is named mi_..._t,
 *   - in what a function named mi_... returns,
 *   - by offsetof and macros like it, in which such a type comes before the field.
 * A macro that hides one of these hides the field, too.
 */
#ifndef ARN_CLI_GRAFT_USES_H
#define ARN_CLI_GRAFT_USES_H

#include <stdbool.h>
#include <stddef.h>

enum use_kind {
	USE_HEADER, /* a header with mimalloc in its path */
	USE_NAME,
	USE_DEFINED, /* a name that this source itself defines as a macro */
	USE_FIELD,   /* a field that is read or written */
	USE_MEMBER,  /* a member that is declared: TYPE NAME; */
	USE_OUTSIDE, /* the same, and its type is a struct that is not mimalloc's */
	USE_HOLDER,  /* a member whose type is mimalloc's, declared in a header */
};

#define USE_LENGTH 80

struct use {
	enum use_kind kind;
	char name[USE_LENGTH]; /* cut off where it is longer */
	const char *file;
	unsigned line;
};

struct uses {
	struct use *use;
	size_t count, room;
};

/*
 * Add the members that a header declares with a type of mimalloc's: other files reach fields
 * through them.  This and the functions below return false if there is no memory, and keep `file`.
 */
bool uses_add_holders(struct uses *uses, const char *text, const char *file);

/* Add the members that a file of the overlay declares. */
bool uses_add_members(struct uses *uses, const char *text, const char *file);

/*
 * Add the headers, names and fields that a source uses.  `shared` has the holders of all headers
 * and the members of the overlay.
 */
bool uses_add(struct uses *uses, const struct uses *shared, const char *text, const char *file);

/* The first use of this kind and name, or NULL. */
const struct use *uses_find(const struct uses *uses, enum use_kind kind, const char *name);

/* Sort by name, then by file and line. */
void uses_sort(struct uses *uses);

#endif
