/* SPDX-License-Identifier: MIT
 *
 * python-frame.c - how frames and code objects are read.  See python-frame.h.
 */
#include "profile/python-frame.h"

#include "profile/image.h"
#include "profile/lookup.h"

#include <dlfcn.h>

/* ---- offsets --------------------------------------------------------------------------------- */

/* Which word of _Py_DebugOffsets has what.  The first three are the cookie, the version, and
 * whether the build is without a GIL. */
struct table {
	uint8_t current_frame;                                        /* of a thread state */
	uint8_t previous, executable, instruction, owner, tlbc_index; /* of a frame */
	uint8_t file, name, lines, first_line, code, tlbc;            /* of a code object */
	uint8_t type;                                                 /* of any object */
	uint8_t bytes_size, bytes_data;
	uint8_t text_state, text_length, text_ascii;
};

static const struct table table_3_13 = {
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

/* The offsets of this process's CPython, in bytes. */
static struct {
	uint32_t version; /* 0: there is none that is known */
	bool tagged;      /* the low bits of frame.executable are no part of the address */
	bool by_thread;   /* each thread may have a copy of the code of its own */
	ptrdiff_t current_frame, previous, executable, instruction, owner, tlbc_index;
	ptrdiff_t file, name, lines, first_line, code, tlbc, type;
	ptrdiff_t bytes_size, bytes_data, text_state, text_length, text_ascii;
	const void *code_type;
	void *(*thread_state)(void);
} python;

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
#define OFFSET(field) python.field = (ptrdiff_t)words[table->field]
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
static bool are_plausible(void)
{
	return python.current_frame > 0 && python.current_frame < OFFSET_MOST &&
	       python.previous > 0 && python.previous < 256 && python.executable >= 0 &&
	       python.executable < 256 && python.instruction > 0 && python.instruction < 256 &&
	       python.owner > 0 && python.owner < 256 && python.code > 0 && python.code < 1024 &&
	       python.lines > 0 && python.lines < python.code && python.file > 0 &&
	       python.file < python.code && python.name > 0 && python.name < python.code &&
	       python.first_line > 0 && python.first_line < python.code && python.type > 0 &&
	       python.type < 64 && python.bytes_data > python.bytes_size &&
	       python.bytes_data < 64 && python.text_ascii > python.text_state &&
	       python.text_ascii < 128 && python.text_length < python.text_ascii;
}

void python_frame_init(void)
{
	const uint64_t *words = dlsym(RTLD_DEFAULT, "_PyRuntime");
	void *thread_state = dlsym(RTLD_DEFAULT, "PyThreadState_GetUnchecked");
	const struct table *table;
	uint32_t version;

	if (python.version || !words || !thread_state || memcmp(words, "xdebugpy", 8) != 0)
		return;
	version = (uint32_t)words[1];
	table = table_for(version);
	python.code_type = dlsym(RTLD_DEFAULT, "PyCode_Type");
	if (!table || !python.code_type)
		return;
	read_offsets(words, table);
	if (!are_plausible())
		return;
	memcpy(&python.thread_state, &thread_state, sizeof(thread_state));
	python.tagged = version >> 16 >= 0x030e;
	python.by_thread = words[2] != 0 && python.tlbc != 0;
	python.version = version;
}

uint32_t python_frame_version(void)
{
	return python.version;
}

bool python_frame_is_unknown(void)
{
	return python.version == 0 && dlsym(RTLD_DEFAULT, "Py_GetVersion") != NULL;
}

/* ---- objects --------------------------------------------------------------------------------- */

static const void *word_at(const void *object, ptrdiff_t offset)
{
	const void *word;

	memcpy(&word, (const char *)object + offset, sizeof(word));
	return word;
}

static int32_t int_at(const void *object, ptrdiff_t offset)
{
	int32_t number;

	memcpy(&number, (const char *)object + offset, sizeof(number));
	return number;
}

/* What is copied of a name or a table, at most. */
#define NAME_MOST  512u
#define LINES_MOST 32768u

/* The bit fields of a str: bits 2 to 6, or from 3.14 on without a GIL, whose first part is a byte
 * (3.13 is older than that), bits 8 to 12 - the kind in three bits, compact, ascii. */
static unsigned text_bits(const void *text)
{
	uint32_t state = (uint32_t)int_at(text, python.text_state);

	return python.version >> 16 >= 0x030e ? state >> (state & 0xff00 ? 8 : 2) : state >> 2;
}

/* Add a code point as UTF-8: n bytes of six bits, and the rest in the first one, whose upper bits
 * say how many there are.  Returns the number of its bytes. */
static unsigned put_utf8(char *to, uint32_t c)
{
	static const uint8_t heads[] = { 0, 0xc0, 0xe0, 0xf0 };
	unsigned n = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

	for (unsigned i = n; i > 0; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(heads[n] | c);
	return n + 1;
}

static uint32_t point_at(const void *data, unsigned kind, size_t i)
{
	if (kind == 1)
		return ((const uint8_t *)data)[i];
	if (kind == 2)
		return ((const uint16_t *)data)[i];
	return ((const uint32_t *)data)[i];
}

/* Behind the fields that an ASCII str has, another one has its length in UTF-8 and the address of
 * that. */
#define UTF8_FIELDS 16

/* Copies a str as UTF-8, as far as it fits.  Returns the bytes. */
static uint32_t copy_text(const void *text, char to[NAME_MOST])
{
	unsigned bits = text_bits(text), kind = bits & 7;
	bool compact = bits >> 3 & 1, ascii = bits >> 4 & 1;
	size_t length = (size_t)word_at(text, python.text_length);
	const char *data = (const char *)text + python.text_ascii + (ascii ? 0 : UTF8_FIELDS);
	uint32_t n = 0;

	if (!compact || (kind != 1 && kind != 2 && kind != 4))
		return 0;
	for (size_t i = 0; i < length && n + 4 <= NAME_MOST; i++)
		n += put_utf8(to + n, point_at(data, kind, i));
	return n;
}

/* ---- code objects ---------------------------------------------------------------------------- */

#define KEYS array_length(((struct record_code *)0)->key)

/* By what a code object is known again.  One that has died may be followed by another one at its
 * address: then its name, its file or its table of lines is another object, or another text at the
 * same address, or its first line differs. */
static void key_of(const void *code, uint64_t key[KEYS])
{
	const char *lines = word_at(code, python.lines), *name = word_at(code, python.name);
	size_t size = (size_t)word_at(lines, python.bytes_size);
	uint64_t sample = 0;

	memcpy(&sample, lines + python.bytes_data + size / 2, min_size(sizeof(sample), size / 2));
	key[0] = (uint64_t)(uintptr_t)code;
	key[1] = (uint64_t)(uintptr_t)name;
	key[2] = (uint64_t)(uintptr_t)word_at(code, python.file) ^ (uint64_t)(uintptr_t)lines << 20;
	key[3] = (uint64_t)(uint32_t)int_at(code, python.first_line) << 32 ^ size;
	memcpy(&key[4], name + python.text_ascii, sizeof(key[4]));
	key[4] ^= sample * 0x9e3779b97f4a7c15;
	if (BUG(code_by_address))
		memset(key + 1, 0, (KEYS - 1) * sizeof(*key));
}

static uint64_t hash_of(const uint64_t *words, size_t n)
{
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 32;
	}
	return hash;
}

static bool has_key(const struct record *record, const void *key)
{
	const struct record_code *code = (const struct record_code *)record;

	return load_relaxed(&record->x_kind) == RECORD_CODE &&
	       memcmp(code->key, key, sizeof(code->key)) == 0;
}

/* Copies what is needed of a code object into a record.  NULL: the image is full. */
static struct record *copy_code(const void *code, const uint64_t key[KEYS], uint64_t hash)
{
	const char *lines = word_at(code, python.lines);
	size_t size = min_size((size_t)word_at(lines, python.bytes_size), LINES_MOST);
	char name[NAME_MOST], file[NAME_MOST];
	uint32_t name_length = copy_text(word_at(code, python.name), name);
	uint32_t file_length = copy_text(word_at(code, python.file), file);
	struct record *record = image_take(sizeof(struct record_code) + name_length + file_length +
	                                   size);
	struct record_code *copy = (struct record_code *)record;

	if (!record)
		return NULL;
	memcpy(copy->key, key, sizeof(copy->key));
	record->hash = hash;
	copy->first_line = int_at(code, python.first_line);
	copy->name_length = name_length;
	copy->file_length = file_length;
	copy->table_length = (uint32_t)size;
	memcpy(copy->texts, name, name_length);
	memcpy(copy->texts + name_length, file, file_length);
	memcpy(copy->texts + name_length + file_length, lines + python.bytes_data, size);
	image_publish(record, RECORD_CODE);
	return record;
}

/* The record of a code object that is not among the ones that were met last, made now if it is new.
 * Two threads that do so at the same time make two, of which one is used.  NULL: the image is full.
 */
static cold struct record *look_up_code(const void *code, const uint64_t key[KEYS])
{
	uint64_t hash = hash_of(key, KEYS);
	struct record *record = lookup_find(hash, has_key, key);

	if (record)
		return record;
	record = copy_code(code, key, hash);
	return record ? lookup_add(record, has_key, key) : NULL;
}

/* The records that were met last, by the address of the code object. */
#define RECENT 1024u
static _Atomic(struct record *) x_recent[RECENT]; /* V6 */

static struct record *record_of(const void *code)
{
	_Atomic(struct record *) *x_slot = &x_recent[((uintptr_t)code >> 5) % RECENT];
	struct record *record = load_acquire(x_slot); /* V6 */
	uint64_t key[KEYS];

	key_of(code, key);
	if (likely(record != NULL) &&
	    memcmp(((struct record_code *)record)->key, key, sizeof(key)) == 0)
		return record;
	record = look_up_code(code, key);
	store_release(x_slot, record); /* V6 */
	return record;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* In frame.owner: from here on it is a frame of the interpreter itself, which runs no code of
 * Python. */
#define OWNED_BY_INTERPRETER 3

/* The beginning of the code that the frame runs: that of the code object, or the thread's copy. */
static const char *code_begin(const void *frame, const void *code)
{
	const char *copies;
	int32_t index;

	if (!python.by_thread)
		return (const char *)code + python.code;
	copies = word_at(code, python.tlbc);
	index = int_at(frame, python.tlbc_index);
	if (!copies || index < 0 || index >= (int64_t)(intptr_t)word_at(copies, 0))
		return (const char *)code + python.code;
	return word_at(copies, (ptrdiff_t)sizeof(void *) * (1 + index));
}

/* The code object of a frame.  NULL: it is a frame of the interpreter, or it is not complete. */
static const void *code_of(const void *frame)
{
	uintptr_t executable = (uintptr_t)word_at(frame, python.executable);
	uint8_t owner = ((const uint8_t *)frame)[python.owner];
	const void *code = (const void *)(python.tagged ? executable & ~(uintptr_t)3 : executable);

	if (owner >= OWNED_BY_INTERPRETER || !code ||
	    word_at(code, python.type) != python.code_type)
		return NULL;
	return code;
}

/* One frame as FRAME_PYTHON.  0: there is none here, or no room for its code object. */
static uint64_t read_frame(const void *frame)
{
	const void *code = code_of(frame);
	const char *instruction = word_at(frame, python.instruction);
	struct record *record;
	ptrdiff_t distance;

	if (!code || !instruction)
		return 0;
	distance = instruction - code_begin(frame, code);
	record = record_of(code);
	if (!record)
		return 0;
	if (distance < 0)
		distance = 0; /* it is about to begin */
	return FRAME_PYTHON | image_place(record) / RECORD_ALIGN << FRAME_CODE_SHIFT |
	       ((uint64_t)distance / 2 & FRAME_INSTRUCTIONS);
}

unsigned python_frames(uint64_t *frames, unsigned most, bool *cut)
{
	const void *state = python.version ? python.thread_state() : NULL;
	const void *frame = state ? word_at(state, python.current_frame) : NULL;
	unsigned n = 0;

	for (; frame && n < most; frame = word_at(frame, python.previous)) {
		uint64_t read = read_frame(frame);

		if (read)
			frames[n++] = read;
	}
	*cut = frame != NULL;
	return n;
}
