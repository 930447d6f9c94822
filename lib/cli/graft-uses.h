/* SPDX-License-Identifier: MIT
 *
 * cli-graft-uses.h - what a C source uses of mimalloc: names (functions, types and macros that
 * begin with mi_, _mi_ or MI_), headers, and fields of its structs.
 *
 * Fields are found by a rule of thumb, not by a compiler: of a variable, parameter or struct member
 * whose type is named mi_..._t, of what a function named mi_... returns, and in offsetof and the
 * like, where such a type stands before the field.  A macro that hides one of these hides the
 * field.
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
	USE_OUTSIDE, /* the same with a struct of somebody else as its type */
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

/* Members whose type is mimalloc's, of a header: other files reach fields through them. */
bool uses_add_holders(struct uses *uses, const char *text, const char *file);

/* Members that the overlay declares */
bool uses_add_members(struct uses *uses, const char *text, const char *file);

/* Headers, names and fields.  shared: the holders of all headers, and the overlay's members.
 * False: no memory. */
bool uses_add(struct uses *uses, const struct uses *shared, const char *text, const char *file);

/* The first of this kind and name, or NULL */
const struct use *uses_find(const struct uses *uses, enum use_kind kind, const char *name);

/* By name, then by file and line */
void uses_sort(struct uses *uses);

#endif
