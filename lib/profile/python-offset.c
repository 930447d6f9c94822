/* SPDX-License-Identifier: MIT */
#include "profile/python-offset.h"

#include <dlfcn.h>

/* ---- offsets --------------------------------------------------------------------------------- */

/* Which word of _Py_DebugOffsets has what.  The first three are the cookie, the version, and
 * whether the build is without a GIL. */
struct table {
	uint8_t interpreters, next_interpreter, threads;   /* of the runtime, an interpreter */
	uint8_t next_thread, native_thread, current_frame; /* of a thread state */
	uint8_t previous, executable, instruction, owner, tlbc_index; /* of a frame */
	uint8_t file, name, lines, first_line, code, tlbc;            /* of a code object */
	uint8_t type;                                                 /* of any object */
	uint8_t bytes_size, bytes_data;
	uint8_t text_state, text_length, text_ascii;
};

static const struct table table_3_13 = {
	.interpreters = 5,
	.next_interpreter = 8,
	.threads = 9,
	.next_thread = 21,
	.native_thread = 25,
	.current_frame = 23,
	.previous = 29,
	.executable = 30,
	.instruction = 31,
	.owner = 33,
	.file = 35,
	.name = 37,
	.lines = 38,
	.first_line = 39,
	.code = 43,
	.type = 45,
	.bytes_size = 65,
	.bytes_data = 66,
	.text_state = 68,
	.text_length = 69,
	.text_ascii = 70,
};

static const struct table table_3_14 = {
	.interpreters = 5,
	.next_interpreter = 8,
	.threads = 9,
	.next_thread = 24,
	.native_thread = 28,
	.current_frame = 26,
	.previous = 32,
	.executable = 33,
	.instruction = 34,
	.owner = 36,
	.tlbc_index = 38,
	.file = 40,
	.name = 42,
	.lines = 43,
	.first_line = 44,
	.code = 48,
	.tlbc = 49,
	.type = 51,
	.bytes_size = 75,
	.bytes_data = 76,
	.text_state = 78,
	.text_length = 79,
	.text_ascii = 80,
};

static const struct table table_3_15 = {
	.interpreters = 5,
	.next_interpreter = 8,
	.threads = 9,
	.next_thread = 24,
	.native_thread = 31,
	.current_frame = 26,
	.previous = 40,
	.executable = 41,
	.instruction = 42,
	.owner = 44,
	.tlbc_index = 46,
	.file = 48,
	.name = 50,
	.lines = 51,
	.first_line = 52,
	.code = 56,
	.tlbc = 57,
	.type = 59,
	.bytes_size = 87,
	.bytes_data = 88,
	.text_state = 90,
	.text_length = 91,
	.text_ascii = 92,
};

struct python_offsets python_at;

static const struct table *table_for(uint32_t version)
{
	switch (version >> 16) {
	case 0x030d:
		return &table_3_13;
	case 0x030e:
		return &table_3_14;
	case 0x030f:
		return &table_3_15;
	default:
		return NULL;
	}
}

/* An offset beyond this is none. */
#define OFFSET_MOST 65536

static void read_offsets(const uint64_t *words, const struct table *table)
{
#define OFFSET(field) python_at.field = (ptrdiff_t)words[table->field]
	OFFSET(interpreters);
	OFFSET(next_interpreter);
	OFFSET(threads);
	OFFSET(next_thread);
	OFFSET(native_thread);
	OFFSET(current_frame);
	OFFSET(previous);
	OFFSET(executable);
	OFFSET(instruction);
	OFFSET(owner);
	OFFSET(file);
	OFFSET(name);
	OFFSET(lines);
	OFFSET(first_line);
	OFFSET(code);
	OFFSET(type);
	OFFSET(bytes_size);
	OFFSET(bytes_data);
	OFFSET(text_state);
	OFFSET(text_length);
	OFFSET(text_ascii);
	if (table->tlbc) {
		OFFSET(tlbc);
		OFFSET(tlbc_index);
	}
#undef OFFSET
}

/* Offsets that cannot be true mean that the table is another one. */
static bool are_states_plausible(void)
{
	const ptrdiff_t interpreters = python_at.interpreters, threads = python_at.threads;

	return python_at.current_frame > 0 && python_at.current_frame < OFFSET_MOST &&
	       python_at.next_thread >= 0 && python_at.next_thread < OFFSET_MOST &&
	       python_at.native_thread > 0 && python_at.native_thread < OFFSET_MOST &&
	       interpreters > 0 && python_at.next_interpreter >= 0 && threads > 0;
}

static bool are_frames_plausible(void)
{
	return python_at.previous > 0 && python_at.previous < 256 && python_at.executable >= 0 &&
	       python_at.executable < 256 && python_at.instruction > 0 &&
	       python_at.instruction < 256 && python_at.owner > 0 && python_at.owner < 256 &&
	       python_at.code > 0 && python_at.code < 1024 && python_at.lines > 0 &&
	       python_at.lines < python_at.code && python_at.file > 0 &&
	       python_at.file < python_at.code && python_at.name > 0 &&
	       python_at.name < python_at.code && python_at.first_line > 0 &&
	       python_at.first_line < python_at.code;
}

static bool are_objects_plausible(void)
{
	return python_at.type > 0 && python_at.type < 64 &&
	       python_at.bytes_data > python_at.bytes_size && python_at.bytes_data < 64 &&
	       python_at.text_ascii > python_at.text_state && python_at.text_ascii < 128 &&
	       python_at.text_length < python_at.text_ascii;
}

/* CPython's table does not say where the version of a code object is.  In 3.13 to 3.15 it is the
 * sixth int behind the first line, two pointers before the name of the file. */
#define VERSION_BEHIND_LINE 24
#define FILE_BEHIND_LINE    44

static ptrdiff_t find_code_version(void)
{
	if (python_at.file - python_at.first_line != FILE_BEHIND_LINE)
		return 0;
	return python_at.first_line + VERSION_BEHIND_LINE;
}

void python_offset_init(void)
{
	const uint64_t *words = python_at.version ? NULL : dlsym(RTLD_DEFAULT, "_PyRuntime");
	void *thread_state = words ? dlsym(RTLD_DEFAULT, "PyThreadState_GetUnchecked") : NULL;
	const struct table *table;
	uint32_t version;

	if (!thread_state || memcmp(words, "xdebugpy", 8) != 0)
		return;
	version = (uint32_t)words[1];
	table = table_for(version);
	python_at.code_type = dlsym(RTLD_DEFAULT, "PyCode_Type");
	if (!table || !python_at.code_type)
		return;
	read_offsets(words, table);
	if (!are_states_plausible() || !are_frames_plausible() || !are_objects_plausible())
		return;
	memcpy(&python_at.thread_state, &thread_state, sizeof(thread_state));
	python_at.runtime = words;
	python_at.tagged = version >> 16 >= 0x030e;
	python_at.by_thread = words[2] != 0 && python_at.tlbc != 0;
	python_at.code_version = find_code_version();
	python_at.version = version;
}

bool python_is_unknown(void)
{
	return python_at.version == 0 && dlsym(RTLD_DEFAULT, "Py_GetVersion") != NULL;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* The bit fields of a str: bits 2 to 6, or from 3.14 on without a GIL, whose first part is a byte
 * (3.13 is older than that), bits 8 to 12 - the kind in three bits, compact, ascii. */
static unsigned text_bits(python_read *read, const void *text)
{
	uint32_t state = (uint32_t)python_int(read, text, python_at.text_state);

	return python_at.version >> 16 >= 0x030e ? state >> (state & 0xff00 ? 8 : 2) : state >> 2;
}

/* In the place of a surrogate, for which Python's os.fsdecode has bytes that are no text. */
#define UNKNOWN_CHARACTER 0xfffd

/* Add a code point as UTF-8: n bytes of six bits, and the rest in the first one, whose upper bits
 * say how many there are.  Returns the number of its bytes. */
static unsigned put_utf8(char *to, uint32_t c)
{
	static const uint8_t heads[] = { 0, 0xc0, 0xe0, 0xf0 };
	unsigned n = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

	if (c >= 0xd800 && c < 0xe000)
		c = UNKNOWN_CHARACTER;
	for (unsigned i = n; i > 0; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(heads[n] | c);
	return n + 1;
}

/* A character of 1, 2 or 4 bytes; what cannot be read is 0. */
static uint32_t point_at(python_read *read, const char *data, unsigned kind, size_t i)
{
	uint8_t one = 0;
	uint16_t two = 0;
	uint32_t four = 0;

	if (kind == 1)
		return read(&one, data + i, 1) ? one : 0;
	if (kind == 2)
		return read(&two, data + 2 * i, 2) ? two : 0;
	return read(&four, data + 4 * i, 4) ? four : 0;
}

/* Behind the fields that an ASCII str has, another one has its length in UTF-8 and the address of
 * that. */
#define UTF8_FIELDS 16

uint32_t python_copy_text(python_read *read, const void *text, char *to, size_t most)
{
	unsigned bits = text_bits(read, text), kind = bits & 7;
	bool compact = bits >> 3 & 1, ascii = bits >> 4 & 1;
	size_t length = (size_t)python_word(read, text, python_at.text_length);
	const char *data = (const char *)text + python_at.text_ascii + (ascii ? 0 : UTF8_FIELDS);
	uint32_t n = 0;

	if (!compact || (kind != 1 && kind != 2 && kind != 4))
		return 0;
	for (size_t i = 0; i < length && n + 4 <= most; i++)
		n += put_utf8(to + n, point_at(read, data, kind, i));
	return n;
}
