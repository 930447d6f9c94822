/* SPDX-License-Identifier: MIT */
#include "profile/python-line.h"

/* The place in the table, and a copy of the bytes that follow. */
struct cursor {
	python_read *read;
	const char *at, *end;
	unsigned next, copied;
	uint8_t copy[64];
};

/* Is there another byte?  What cannot be read ends the table. */
static bool has_byte(struct cursor *cursor)
{
	size_t n = min_size((size_t)(cursor->end - cursor->at), sizeof(cursor->copy));

	if (cursor->next < cursor->copied)
		return true;
	if (n == 0 || !cursor->read(cursor->copy, cursor->at, n))
		return false;
	cursor->at += n;
	cursor->next = 0;
	cursor->copied = (unsigned)n;
	return true;
}

static unsigned next_byte(struct cursor *cursor)
{
	return has_byte(cursor) ? cursor->copy[cursor->next++] : 0;
}

/* Six bits at a time, the lowest first; 0x40 says that more follow. */
static unsigned read_number(struct cursor *cursor)
{
	unsigned byte = next_byte(cursor), number = byte & 63;

	for (unsigned shift = 6; byte & 64 && shift < 30; shift += 6) {
		byte = next_byte(cursor);
		number |= (byte & 63) << shift;
	}
	return number;
}

static int read_signed(struct cursor *cursor)
{
	unsigned number = read_number(cursor);

	return number & 1 ? -(int)(number >> 1) : (int)(number >> 1);
}

/* The kinds of entries that change the line. */
enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS, LONG, NONE };

/* By how much the line of this entry is after that of the one before; the rest of the entry has its
 * first bit clear, and is passed over by the caller. */
static int line_delta(struct cursor *cursor, unsigned kind)
{
	if (kind >= ONE_LINE_0 && kind <= ONE_LINE_2)
		return (int)kind - ONE_LINE_0;
	return kind == NO_COLUMNS || kind == LONG ? read_signed(cursor) : 0;
}

int python_line(python_read *read, const struct python_lines *lines, uint64_t instruction)
{
	struct cursor cursor = { read, lines->table, lines->table + lines->size, 0, 0, { 0 } };
	unsigned line = (unsigned)lines->first_line; /* a damaged table may make it wrap */
	uint64_t end = 0;

	while (has_byte(&cursor)) {
		unsigned head = next_byte(&cursor), kind = head >> 3 & 15;

		line += (unsigned)line_delta(&cursor, kind);
		end += (head & 7) + 1;
		if (instruction < end)
			return kind == NONE ? lines->first_line : (int)line;
		while (has_byte(&cursor) && !(cursor.copy[cursor.next] & 0x80))
			cursor.next++;
	}
	return lines->first_line;
}
