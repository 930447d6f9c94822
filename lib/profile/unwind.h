/* SPDX-License-Identifier: MIT
 *
 * unwind.h - from a function to its caller, by the tables that exceptions use, whose answers are
 * kept: the unwinder of the compiler reads them anew at each step, which takes some two
 * thousand instructions.
 *
 * A rule says where the caller's stack pointer and frame pointer are, for one address of the
 * program.  It fits into a word together with the address, and rules are kept in a table that has
 * one place for each hash; threads replace each other's.
 *
 * What is read    is below `limit`, which the caller has to know as an address of the same stack,
 *                 and above the stack pointer.  So nothing is read that is not mapped, even if a
 *                 rule is wrong: a library may have been unloaded, and another one be in its place.
 * Progress        wait-free where the rule is known.  Else libgcc looks for the table: with glibc
 *                 2.35 and gcc 12 or later without a lock, with older ones under that of the
 *                 dynamic linker.
 */
#ifndef ARN_UNWIND_H
#define ARN_UNWIND_H

#include "base/arch.h"
#include "base/base.h"

/* A function that has called another one: where it goes on, and its registers. */
struct unwind_frame {
	uintptr_t pc, stack, frame;
	uint64_t rule;    /* of this pc, from unwind_caller_stack on */
	uint64_t *recent; /* UNWIND_RECENT rules that the thread met last, or NULL */
};

/* They are in a few cache lines, and the table of all rules in many. */
#define UNWIND_RECENT_BITS 6u
#define UNWIND_RECENT      (1u << UNWIND_RECENT_BITS)

/* The stack pointer of the caller of this function.  0: there is none, or it is not known. */
uintptr_t unwind_caller_stack(struct unwind_frame *frame);
/* Go from the function to its caller, whose stack pointer is `stack` by unwind_caller_stack.
 * false: what is to be read is not below the limit, and nothing has changed. */
bool unwind_step(struct unwind_frame *frame, uintptr_t stack, uintptr_t limit);

#endif
