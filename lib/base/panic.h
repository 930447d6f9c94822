/* SPDX-License-Identifier: MIT
 *
 * panic.h - lines on stderr and the end of the program, by the system call write: no stdio, no
 * malloc, no cancellation point, from any thread and any state.
 */
#ifndef ARN_PANIC_H
#define ARN_PANIC_H

#include "base/base.h"

/* Text in a fixed buffer; what does not fit is cut off. */
struct text {
	size_t length;
	char bytes[480];
};

void text_add(struct text *text, const char *string);
void text_add_number(struct text *text, size_t number);
void text_add_pointer(struct text *text, const void *pointer);
/* Leaves errno alone, since what it tells of may have happened in free(). */
void text_write(const struct text *text, int fd);

/* "arenite: " and the text, on stderr */
void log_line(const struct text *text);

/* A misuse of a block: "arenite: what: block, called from caller", then abort. */
_Noreturn void panic_block(const char *what, const void *block, const void *caller);

/* An invariant of ours does not hold. */
_Noreturn void panic_broken(const char *what, const char *file, int line);

#define invariant(condition)                                          \
	do {                                                          \
		if (unlikely(!(condition)))                           \
			panic_broken(#condition, __FILE__, __LINE__); \
	} while (0)

/* Expensive or redundant checks of our own work: in builds with --enable-debug. */
#ifdef ARN_DEBUG
#define debug_check(condition) invariant(condition)
#else
#define debug_check(condition) ((void)0)
#endif

#endif
