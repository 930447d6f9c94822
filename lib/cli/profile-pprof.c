/* SPDX-License-Identifier: MIT
 *
 * profile-pprof.c - a profile in the form of pprof (profile.proto of github.com/google/pprof), as a
 * gzip file, or without zlib as it is, which pprof reads as well.
 *
 * Protocol buffers have two encodings that are needed here: a number (field << 3), and bytes with
 * their length before them (field << 3 | 2).
 */
#include "cli/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_ZLIB_H
#include <zlib.h>
#endif

/* ---- messages -------------------------------------------------------------------------------- */

struct message {
	uint8_t *bytes;
	size_t length, room;
};

static void put_bytes(struct message *message, const void *bytes, size_t length)
{
	if (message->length + length > message->room) {
		message->room = 2 * (message->length + length);
		message->bytes = realloc(message->bytes, message->room);
		if (!message->bytes)
			abort();
	}
	if (length)
		memcpy(message->bytes + message->length, bytes, length);
	message->length += length;
}

/* Seven bits at a time, the lowest first. */
static void put_varint(struct message *message, uint64_t number)
{
	do {
		uint8_t byte = (uint8_t)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));

		put_bytes(message, &byte, 1);
		number >>= 7;
	} while (number);
}

static void put_number(struct message *message, unsigned field, uint64_t number)
{
	put_varint(message, field << 3);
	put_varint(message, number);
}

static void put_text(struct message *message, unsigned field, const void *bytes, size_t length)
{
	put_varint(message, field << 3 | 2);
	put_varint(message, length);
	put_bytes(message, bytes, length);
}

/* A message in a field of another one; it is empty afterwards. */
static void put_message(struct message *message, unsigned field, struct message *part)
{
	put_text(message, field, part->bytes, part->length);
	part->length = 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

struct table {
	struct message all;
	char **strings;
	size_t string_count;
	struct function {
		size_t name, file;
	} * functions;
	size_t function_count;
	uint64_t *frames; /* whose locations have been written: the n-th is location n + 1 */
	size_t frame_count;
	uint64_t *mappings; /* where those begin that have been written */
	size_t mapping_count;
};

/* Makes room for one more, in steps of 1024. */
static void *grown(void *array, size_t count, size_t size)
{
	if (count % 1024 == 0)
		array = realloc(array, (count + 1024) * size);
	if (!array)
		abort();
	return array;
}

/* The number of a string in the profile's table. */
static size_t string_number(struct table *table, const char *string)
{
	for (size_t i = 0; i < table->string_count; i++)
		if (strcmp(table->strings[i], string) == 0)
			return i;
	table->strings = grown(table->strings, table->string_count, sizeof(*table->strings));
	table->strings[table->string_count] = strdup(string);
	put_text(&table->all, 6, string, strlen(string));
	return table->string_count++;
}

static size_t function_number(struct table *table, const struct place *place)
{
	size_t name = string_number(table, place->function);
	size_t file = string_number(table, place->file ? place->file : "");
	struct message part = { 0 };

	for (size_t i = 0; i < table->function_count; i++)
		if (table->functions[i].name == name && table->functions[i].file == file)
			return i + 1;
	table->functions = grown(table->functions, table->function_count,
	                         sizeof(*table->functions));
	table->functions[table->function_count++] = (struct function){ name, file };
	put_number(&part, 1, table->function_count);
	put_number(&part, 2, name);
	put_number(&part, 3, name);
	put_number(&part, 4, file);
	put_message(&table->all, 5, &part);
	return table->function_count;
}

/* The number of the mapping at this address; 0: no file is mapped there. */
static size_t mapping_number(struct table *table, const struct profile *profile, uint64_t address)
{
	struct mapping mapping;
	struct message part = { 0 };

	if (!symbol_mapping(profile, address, &mapping))
		return 0;
	for (size_t i = 0; i < table->mapping_count; i++)
		if (table->mappings[i] == mapping.start)
			return i + 1;
	table->mappings = grown(table->mappings, table->mapping_count, sizeof(*table->mappings));
	table->mappings[table->mapping_count++] = mapping.start;
	put_number(&part, 1, table->mapping_count);
	put_number(&part, 2, mapping.start);
	put_number(&part, 3, mapping.end);
	put_number(&part, 4, mapping.offset);
	put_number(&part, 5, string_number(table, mapping.file));
	put_number(&part, 6, string_number(table, mapping.build_id));
	put_number(&part, 7, 1);
	put_message(&table->all, 3, &part);
	return table->mapping_count;
}

static size_t location_number(struct table *table, const struct profile *profile, uint64_t frame)
{
	struct message part = { 0 }, line = { 0 };
	struct place place;
	size_t mapping;

	for (size_t i = 0; i < table->frame_count; i++)
		if (table->frames[i] == frame)
			return i + 1;
	table->frames = grown(table->frames, table->frame_count, sizeof(*table->frames));
	table->frames[table->frame_count++] = frame;
	place = profile_place(profile, frame);
	put_number(&line, 1, function_number(table, &place));
	put_number(&line, 2, (uint64_t)place.line);
	mapping = place.address ? mapping_number(table, profile, place.address) : 0;
	put_number(&part, 1, table->frame_count);
	if (mapping)
		put_number(&part, 2, mapping);
	if (place.address)
		put_number(&part, 3, place.address);
	put_message(&part, 4, &line);
	put_message(&table->all, 4, &part);
	return table->frame_count;
}

/* ---- the profile ----------------------------------------------------------------------------- */

static void put_type(struct table *table, unsigned field, const char *type, const char *unit)
{
	struct message part = { 0 };

	put_number(&part, 1, string_number(table, type));
	put_number(&part, 2, string_number(table, unit));
	put_message(&table->all, field, &part);
}

static void put_stack(struct table *table, const struct profile *profile,
                      const struct profile_stack *stack)
{
	const struct values *values = &stack->values;
	const double numbers[] = { values->made_blocks, values->made_bytes, values->live_blocks,
		                   values->live_bytes };
	struct message part = { 0 }, packed = { 0 };

	for (uint32_t i = 0; i < stack->record->frames; i++)
		put_varint(&packed, location_number(table, profile, stack->record->frame[i]));
	put_message(&part, 1, &packed);
	for (size_t i = 0; i < array_length(numbers); i++)
		put_varint(&packed, (uint64_t)(numbers[i] + 0.5));
	put_message(&part, 2, &packed);
	put_message(&table->all, 2, &part);
}

static void put_profile(struct table *table, const struct profile *profile)
{
	string_number(table, "");
	put_type(table, 1, "alloc_objects", "count");
	put_type(table, 1, "alloc_space", "bytes");
	put_type(table, 1, "inuse_objects", "count");
	put_type(table, 1, "inuse_space", "bytes");
	for (size_t i = 0; i < profile->stack_count; i++)
		put_stack(table, profile, &profile->stacks[i]);
	put_number(&table->all, 9, profile->header->began * 1000000000u);
	put_type(table, 11, "space", "bytes");
	put_number(&table->all, 12, profile->header->mean);
	if (profile->header->flags & PROFILE_COLLECTOR_APART)
		put_number(&table->all, 13,
		           string_number(table, "lists, dicts, tuples and instances are in "
		                                "CPython's own heaps, and not in here"));
	put_number(&table->all, 14, string_number(table, "inuse_space"));
}

#ifdef HAVE_ZLIB_H
static bool write_file(const char *file, const struct message *all)
{
	gzFile to = gzopen(file, "wb");
	bool done;

	if (!to)
		return false;
	done = gzwrite(to, all->bytes, (unsigned)all->length) == (int)all->length;
	return gzclose(to) == Z_OK && done;
}
#else
static bool write_file(const char *file, const struct message *all)
{
	FILE *to = fopen(file, "wb");
	bool done;

	if (!to)
		return false;
	done = fwrite(all->bytes, 1, all->length, to) == all->length;
	return fclose(to) == 0 && done;
}
#endif

bool profile_write_pprof(const struct profile *profile, const char *file)
{
	struct table table = { 0 };

	put_profile(&table, profile);
	errno = 0;
	return write_file(file, &table.all);
}
