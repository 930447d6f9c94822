/* SPDX-License-Identifier: MIT
 *
 * profile.h - a heap profile as the command has it: read from a process or a file, with the names
 * of functions, and printed in one form or another.
 *
 * Everything here belongs to the command's one thread, and ends with it: nothing is freed.
 */
#ifndef ARN_CLI_PROFILE_H
#define ARN_CLI_PROFILE_H

#include "profile/record.h"

#include <stdio.h>

/* What the samples of a stack or of a line stand for. */
struct values {
	double live_bytes, live_blocks, made_bytes, made_blocks;
};

/* A frame, as one reads it. */
struct place {
	const char *function, *file; /* file: NULL if it is not known */
	int line;                    /* 0: it is not known */
	uint64_t address;            /* of native code; else 0 */
};

struct profile_stack {
	const struct record_stack *record;
	struct values values;
};

struct profile {
	const char *name; /* as it was asked for */
	char *bytes;
	size_t size;
	const struct profile_header *header;
	char *maps; /* of the process: the text of /proc/PID/maps */
	struct profile_stack *stacks;
	size_t stack_count, sample_count;
	const struct record_build **builds; /* in the order in which they were made */
	size_t build_count;
};

/* Read the profile of a process, by its number, or that of a file.  false: a line on stderr says
 * why. */
bool profile_load(struct profile *profile, const char *what);
/* The record at this place, if it is one of this kind; else NULL. */
const struct record *profile_record(const struct profile *profile, uint64_t at,
                                    enum record_kind kind);
/* Call f for each record of this kind. */
void profile_each(const struct profile *profile, enum record_kind kind,
                  void (*f)(const struct record *record, void *arg), void *arg);
/* What a frame is. */
struct place profile_place(const struct profile *profile, uint64_t frame);

/* The frame of a stack that stands for it in a table: the innermost one of Python, or without
 * Python the innermost one that is not the allocator's. */
struct place profile_line(const struct profile *profile, const struct record_stack *stack);

/* A file, as a process has it mapped. */
struct object;
struct mapping {
	uint64_t start, end, offset;
	const char *file, *build_id; /* the linker's name of the build; "": it is not known */
	struct object *object;
};

/* What is mapped at this address of the process.  false: no file. */
bool symbol_mapping(const struct profile *profile, uint64_t address, struct mapping *mapping);
/* The name of the function at this address of the process; NULL: it is not known.  *file is the
 * file that is mapped there. */
const char *symbol_find(const struct profile *profile, uint64_t address, const char **file);

/* The forms. */
void profile_print_table(const struct profile *profile, const struct profile *before, size_t most);
void profile_print_matrix(const struct profile *profile, size_t most);
void profile_print_collapsed(const struct profile *profile, FILE *to);
/* pprof's, as a gzip file.  false: it cannot be written; errno says why. */
bool profile_write_pprof(const struct profile *profile, const char *file);

#endif
