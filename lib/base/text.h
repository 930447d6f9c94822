/* SPDX-License-Identifier: MIT
 *
 * text.h - lines for stderr and for files, put together in a buffer and written by the system call
 * write: without stdio, malloc or a cancellation point, from any thread and in any state.
 */
#ifndef ARN_TEXT_H
#define ARN_TEXT_H

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
/* Add a number of bytes as MiB, rounded to two decimals. */
void text_add_mib(struct text *text, size_t bytes);
/* Add blanks until the text has this many bytes. */
void text_pad(struct text *text, size_t length);
/* Write all of it to this file descriptor.  false: errno says why not. */
bool text_write_all(int fd, const void *bytes, size_t size);
/* Write the text to this file descriptor.  Leaves errno alone, because the text may be about
 * something that has happened in free(). */
void text_write(const struct text *text, int fd);

/* Write "arenite: ", the text, and the end of the line to stderr. */
void log_line(const struct text *text);

#endif
