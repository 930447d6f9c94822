/* SPDX-License-Identifier: MIT
 *
 * profile-place.c - what a frame of a profile is: the line of an instruction in Python's table of
 * lines (Objects/locations.md of CPython), or the function at an address.
 */
#include "cli/profile.h"

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

/* ---- lines of Python ------------------------------------------------------------------------- */

struct lines {
	const uint8_t *at, *end;
};

static unsigned next_byte(struct lines *lines)
{
	return lines->at < lines->end ? *lines->at++ : 0;
}

/* Six bits at a time, the lowest first; 0x40 says that more follow. */
static unsigned read_number(struct lines *lines)
{
	unsigned byte = next_byte(lines), number = byte & 63;

	for (unsigned shift = 6; byte & 64 && shift < 30; shift += 6) {
		byte = next_byte(lines);
		number |= (byte & 63) << shift;
	}
	return number;
}

static int read_signed(struct lines *lines)
{
	unsigned number = read_number(lines);

	return number & 1 ? -(int)(number >> 1) : (int)(number >> 1);
}

/* The kinds of entries that change the line. */
enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS, LONG, NONE };

/* By how much the line of this entry is after that of the one before; the rest of the entry has its
 * first bit clear, and is passed over by the caller. */
static int line_delta(struct lines *lines, unsigned kind)
{
	if (kind >= ONE_LINE_0 && kind <= ONE_LINE_2)
		return (int)kind - ONE_LINE_0;
	return kind == NO_COLUMNS || kind == LONG ? read_signed(lines) : 0;
}

static int line_of(const struct record_code *code, uint64_t instruction)
{
	const char *table = code->texts + code->name_length + code->file_length;
	struct lines lines = { (const uint8_t *)table,
		               (const uint8_t *)table + code->table_length };
	int line = code->first_line;
	uint64_t end = 0;

	while (lines.at < lines.end) {
		unsigned head = next_byte(&lines), kind = head >> 3 & 15;

		line += line_delta(&lines, kind);
		end += (head & 7) + 1;
		if (instruction < end)
			return kind == NONE ? code->first_line : line;
		while (lines.at < lines.end && !(*lines.at & 0x80))
			lines.at++;
	}
	return code->first_line;
}

static const char *text_of(const char *bytes, size_t length)
{
	char *text = malloc(length + 1);

	if (!text)
		abort();
	memcpy(text, bytes, length);
	text[length] = '\0';
	return text;
}

static struct place python_place(const struct profile *profile, uint64_t frame)
{
	uint64_t at = (frame & ~FRAME_PYTHON) >> FRAME_CODE_SHIFT;
	const struct record_code *code = (const void *)profile_record(profile, at * RECORD_ALIGN,
	                                                              RECORD_CODE);

	if (!code)
		return (struct place){ "?", NULL, 0, 0 };
	return (struct place){ text_of(code->texts, code->name_length),
		               text_of(code->texts + code->name_length, code->file_length),
		               line_of(code, frame & FRAME_INSTRUCTIONS), 0 };
}

/* ---- frames ---------------------------------------------------------------------------------- */

struct place profile_place(const struct profile *profile, uint64_t frame)
{
	const char *file = NULL, *function;
	char text[32];

	if (frame & FRAME_PYTHON)
		return python_place(profile, frame);
	function = profile->maps ? symbol_find(profile->maps, frame, &file) : NULL;
	if (!function) {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)frame);
		function = text_of(text, strlen(text));
	}
	return (struct place){ function, file, 0, frame };
}

/* Functions through which programs ask for memory. */
static bool is_allocator(const struct place *place)
{
	static const char *const names[] = { "malloc", "calloc", "realloc", "free",
		                             "operator new" };
	const char *file = place->file ? cli_base_name(place->file) : NULL;

	if (place->address == 0)
		return false;
	if (file && strncmp(file, "libarenite", 10) == 0)
		return true;
	if (strncmp(place->function, "arn_", 4) == 0)
		return true;
	for (size_t i = 0; i < array_length(names); i++)
		if (strcmp(place->function, names[i]) == 0)
			return true;
	return false;
}

struct place profile_line(const struct profile *profile, const struct record_stack *stack)
{
	struct place place = { "(no frames)", NULL, 0, 0 };

	for (uint32_t i = 0; i < stack->frames; i++) {
		place = profile_place(profile, stack->frame[i]);
		if (!is_allocator(&place))
			break;
	}
	return place;
}
