/* SPDX-License-Identifier: MIT
 *
 * python-frame.c - how frames and code objects are read.  See python-frame.h.
 */
#include "profile/python-frame.h"

#include "profile/image.h"
#include "profile/lookup.h"
#include "profile/python-offset.h"
#include "profile/trail.h"

static const void *word_at(const void *object, ptrdiff_t offset)
{
	return python_word(python_read_own, object, offset);
}

/* ---- code objects ---------------------------------------------------------------------------- */

/* What is copied of a name or a table, at most. */
#define NAME_MOST  512u
#define LINES_MOST 32768u

#define KEYS array_length(((struct record_code *)0)->key)

/* By what a code object is known again.  One that has died may be followed by another one at its
 * address: then its name, its file or its table of lines is another object, or another text at the
 * same address, or its first line differs. */
static void key_of(const void *code, uint64_t key[KEYS])
{
	const char *lines = word_at(code, python_at.lines), *name = word_at(code, python_at.name);
	size_t size = (size_t)word_at(lines, python_at.bytes_size);
	uint64_t sample = 0;

	memcpy(&sample, lines + python_at.bytes_data + size / 2,
	       min_size(sizeof(sample), size / 2));
	key[0] = (uint64_t)(uintptr_t)code;
	key[1] = (uint64_t)(uintptr_t)name;
	key[2] = (uint64_t)(uintptr_t)word_at(code, python_at.file) ^ (uint64_t)(uintptr_t)lines
	                                                                      << 20;
	key[3] = (uint64_t)(uint32_t)python_int(python_read_own, code, python_at.first_line) << 32 ^
	         size;
	memcpy(&key[4], name + python_at.text_ascii, sizeof(key[4]));
	key[4] ^= sample * 0x9e3779b97f4a7c15;
	if (BUG(code_by_address))
		memset(key + 1, 0, (KEYS - 1) * sizeof(*key));
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
	const char *lines = word_at(code, python_at.lines);
	size_t size = min_size((size_t)word_at(lines, python_at.bytes_size), LINES_MOST);
	char name[NAME_MOST], file[NAME_MOST];
	uint32_t name_length = python_copy_text(python_read_own, word_at(code, python_at.name),
	                                        name, NAME_MOST);
	uint32_t file_length = python_copy_text(python_read_own, word_at(code, python_at.file),
	                                        file, NAME_MOST);
	struct record *record = image_take(sizeof(struct record_code) + name_length + file_length +
	                                   size);
	struct record_code *copy = (struct record_code *)record;

	if (!record)
		return NULL;
	memcpy(copy->key, key, sizeof(copy->key));
	record->hash = hash;
	copy->first_line = python_int(python_read_own, code, python_at.first_line);
	copy->name_length = name_length;
	copy->file_length = file_length;
	copy->table_length = (uint32_t)size;
	memcpy(copy->texts, name, name_length);
	memcpy(copy->texts + name_length, file, file_length);
	memcpy(copy->texts + name_length + file_length, lines + python_at.bytes_data, size);
	image_publish(record, RECORD_CODE);
	return record;
}

/* The record of a code object that is not among the ones that were met last, made now if it is new.
 * Two threads that do so at the same time make two, of which one is used.  NULL: the image is full.
 */
static cold struct record *look_up_code(const void *code, const uint64_t key[KEYS])
{
	uint64_t hash = lookup_hash(key, KEYS);
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

/* One frame as FRAME_PYTHON.  0: there is none here, or no room for its code object. */
static uint64_t read_frame(const void *frame)
{
	const void *code = python_code(python_read_own, frame);
	struct record *record;
	uint64_t number;

	if (!code || !python_instruction(python_read_own, frame, code, &number))
		return 0;
	record = record_of(code);
	if (!record)
		return 0;
	return FRAME_PYTHON | image_place(record) / RECORD_ALIGN << FRAME_CODE_SHIFT |
	       (number & FRAME_INSTRUCTIONS);
}

/* The numbers of a code object from its first line to its version, as one.  0: it has no version.
 */
static uint64_t stamp_of(uintptr_t executable)
{
	const char *code = python_executable(executable);
	uint64_t word[3];
	uint32_t version;

	memcpy(&version, code + python_at.code_version, sizeof(version));
	memcpy(word, code + python_at.first_line, sizeof(word));
	word[0] += word[1] * 0x9e3779b97f4a7c15 + word[2] * 0xbf58476d1ce4e5b9;
	return version ? (uint64_t)version << 32 | (uint32_t)(word[0] ^ word[0] >> 32) : 0;
}

/* The same, which has the frame from the trail if it was met before.  What has an entry there is a
 * code object, or was one: so there is something to be read, whatever is at its address now. */
static uint64_t recall_frame(struct trail *trail, const void *frame)
{
	uintptr_t executable = (uintptr_t)word_at(frame, python_at.executable);
	const void *instruction = word_at(frame, python_at.instruction);
	struct trail_entry *entry = trail_entry(trail, instruction);
	uint64_t read, stamp;

	if (entry->frame && entry->instruction == instruction && entry->executable == executable &&
	    (entry->stamp == stamp_of(executable) || BUG(trail_by_address)))
		return entry->frame;
	read = read_frame(frame);
	stamp = read ? stamp_of(executable) : 0;
	if (stamp)
		*entry = (struct trail_entry){ executable, instruction, read, stamp };
	return read;
}

static bool is_entry(const void *frame)
{
	return ((const uint8_t *)frame)[python_at.owner] >= PYTHON_OWNED_BY_INTERPRETER;
}

static void add_seam(struct python_stack *stack, const void *entry)
{
	if (stack->n > (stack->seams ? stack->seam[stack->seams - 1].end : 0))
		stack->seam[stack->seams++] = (struct python_seam){ (uintptr_t)entry, stack->n };
}

/* A recursion may be deeper than what is kept of it: then only its entry frame is looked for. */
#define ENTRY_DEPTH 5000u

static void find_entry(struct python_stack *stack, const void *frame)
{
	unsigned depth = 0;

	while (frame && !is_entry(frame) && depth++ < ENTRY_DEPTH)
		frame = word_at(frame, python_at.previous);
	if (frame && depth < ENTRY_DEPTH)
		add_seam(stack, frame);
}

void python_frames(struct python_stack *stack)
{
	const void *state = python_at.version ? python_at.thread_state() : NULL;
	const void *frame = state ? word_at(state, python_at.current_frame) : NULL;
	struct trail *trail = python_at.code_version ? trail_own() : NULL;

	stack->n = stack->seams = 0;
	for (; frame && stack->n < FRAMES_MAX; frame = word_at(frame, python_at.previous)) {
		uint64_t read = likely(trail != NULL) ? recall_frame(trail, frame)
		                                      : read_frame(frame);

		if (read)
			stack->frame[stack->n++] = read;
		else if (is_entry(frame))
			add_seam(stack, frame);
	}
	stack->cut = frame != NULL;
	if (stack->seams == 0)
		find_entry(stack, frame);
}
