/* SPDX-License-Identifier: MIT
 *
 * panic.h - lines on stderr and the end of the program, by the system call write: without stdio,
 * malloc or a cancellation point, from any thread and in any state.
 */
#ifndef ARN_PANIC_H
#define ARN_PANIC_H

#include "base/base.h"

/* Text in a buffer of fixed size; what does not fit is cut off.  It belongs to one thread. */
struct text {
	size_t length;
	char bytes[480];
};

/* Add a string, a number in decimal, or an address in hexadecimal with 0x before it. */
void text_add(struct text *text, const char *string);
void text_add_number(struct text *text, size_t number);
void text_add_pointer(struct text *text, const void *pointer);
/* Write the text to this file descriptor.  Leaves errno alone, because the text may be about
 * something that has happened in free(). */
void text_write(const struct text *text, int fd);

/* Write "arenite: ", the text, and the end of the line to stderr. */
void log_line(const struct text *text);

/* A block was misused: write "arenite: what: block, called from caller", and abort.  caller may be
 * NULL. */
_Noreturn void panic_block(const char *what, const void *block, const void *caller);

/* An invariant of the library does not hold: write where, and abort. */
_Noreturn void panic_broken(const char *what, const char *file, int line);

#define invariant(condition)                                          \
	do {                                                          \
		if (unlikely(!(condition)))                           \
			panic_broken(#condition, __FILE__, __LINE__); \
	} while (0)

/* Expensive or redundant checks of the library's own work: in builds with --enable-debug only. */
#ifdef ARN_DEBUG
#define debug_check(condition) invariant(condition)
#else
#define debug_check(condition) ((void)0)
#endif

#endif
