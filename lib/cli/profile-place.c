/* SPDX-License-Identifier: MIT
 *
 * profile-place.c - what a frame of a profile is: the line of an instruction of Python, or the
 * function at an address.
 */
#include "cli/profile.h"

#include "cli/cli.h"
#include "profile/python-line.h"

#include <stdlib.h>
#include <string.h>

static int line_of(const struct record_code *code, uint64_t instruction)
{
	struct python_lines lines = { code->texts + code->name_length + code->file_length,
		                      code->table_length, code->first_line };

	return python_line(python_read_own, &lines, instruction);
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
	function = symbol_find(profile, frame, &file);
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

/* The innermost frame of Python; else the innermost one that is not the allocator's. */
struct place profile_line(const struct profile *profile, const struct record_stack *stack)
{
	struct place place = { "(no frames)", NULL, 0, 0 };

	for (uint32_t i = 0; i < stack->frames; i++)
		if (stack->frame[i] & FRAME_PYTHON)
			return profile_place(profile, stack->frame[i]);
	for (uint32_t i = 0; i < stack->frames; i++) {
		place = profile_place(profile, stack->frame[i]);
		if (!is_allocator(&place))
			break;
	}
	return place;
}
