/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* No byte is written beyond the buffer, and none marks the end: the length does. */
void text_add(struct text *text, const char *string)
{
	size_t room = sizeof(text->bytes) - text->length;
	size_t length = min_size(strlen(string), room);

	memcpy(text->bytes + text->length, string, length);
	text->length += length;
}

/* Digits are made from the last to the first, so they are written backwards into a buffer that
 * holds the longest number in base 10 or 16. */
static void add_digits(struct text *text, size_t number, unsigned base)
{
	char digits[24];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = "0123456789abcdef"[number % base];
	while ((number /= base) != 0);
	text_add(text, p);
}

void text_add_number(struct text *text, size_t number)
{
	add_digits(text, number, 10);
}

/* As printf writes %p. */
void text_add_pointer(struct text *text, const void *pointer)
{
	text_add(text, "0x");
	add_digits(text, (uintptr_t)pointer, 16);
}

void text_add_mib(struct text *text, size_t bytes)
{
	size_t hundredths = (bytes % MIB * 100 + MIB / 2) / MIB + bytes / MIB * 100;

	text_add_number(text, hundredths / 100);
	text_add(text, hundredths % 100 < 10 ? ".0" : ".");
	text_add_number(text, hundredths % 100);
}

void text_pad(struct text *text, size_t length)
{
	while (text->length < min_size(length, sizeof(text->bytes)))
		text_add(text, " ");
}

/* libc's write(2) is a cancellation point: a thread that was cancelled would end here, in the
 * middle of malloc. */
static ssize_t write_some(int fd, const char *bytes, size_t size)
{
	if (BUG(cancelled))
		return write(fd, bytes, size);
	return syscall(SYS_write, fd, bytes, size);
}

/* A write may take only a part; then the rest follows. */
bool text_write_all(int fd, const void *bytes, size_t size)
{
	for (const char *rest = bytes; size > 0;) {
		ssize_t n = write_some(fd, rest, size);

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		rest += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* A line that cannot be written is lost, and the program goes on. */
void text_write(const struct text *text, int fd)
{
	int saved = errno;

	text_write_all(fd, text->bytes, text->length);
	errno = saved;
}

/* The line is put together first and written at once, so that lines of several threads do not mix.
 * Ten bytes are left for what comes before and behind the text. */
void log_line(const struct text *text)
{
	struct text line = { 0 };

	text_add(&line, "arenite: ");
	memcpy(line.bytes + line.length, text->bytes,
	       min_size(text->length, sizeof(line.bytes) - 10));
	line.length += min_size(text->length, sizeof(line.bytes) - 10);
	text_add(&line, "\n");
	text_write(&line, STDERR_FILENO);
}
