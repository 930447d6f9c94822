/* SPDX-License-Identifier: MIT
 *
 * report-json.c - the statistics as one JSON object, in bytes.
 *
 * As the table, it is written from buffers on the stack with write(2).  A reader may rely on the
 * names and their meanings as long as the number `schema` is the same; members may be added.
 */
#include "api/report.h"

#include "base/option.h"
#include "base/text.h"

#include <arenite/arenite.h>

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA "1"

static void write_text(int fd, const char *string)
{
	struct text text = { 0 };

	text_add(&text, string);
	text_write(&text, fd);
}

/*
 * One byte of a string.  Bytes that are not ASCII need not be UTF-8 in the name of a file; they are
 * written as Python reads such names (surrogateescape).
 */
static void add_byte(struct text *text, unsigned char byte)
{
	static const char digits[] = "0123456789abcdef";
	char plain[] = { (char)byte, '\0' };
	char escape[] = { digits[byte >> 4], digits[byte & 15], '\0' };

	if (byte >= 0x20 && byte < 0x7f) {
		text_add(text, byte == '"' || byte == '\\' ? "\\" : "");
		text_add(text, plain);
		return;
	}
	text_add(text, byte < 0x80 ? "\\u00" : "\\udc");
	text_add(text, escape);
}

static void write_string(int fd, const char *string)
{
	struct text text = { 0 };

	text_add(&text, "\"");
	for (; *string; string++) {
		if (text.length > sizeof(text.bytes) - 16) {
			text_write(&text, fd);
			text.length = 0;
		}
		add_byte(&text, (unsigned char)*string);
	}
	text_add(&text, "\"");
	text_write(&text, fd);
}

static void add_member(struct text *text, const char *name, size_t value, const char *after)
{
	text_add(text, "\"");
	text_add(text, name);
	text_add(text, "\": ");
	text_add_number(text, value);
	text_add(text, after);
}

static void write_tag(int fd, const char *name, const struct arn_stats_tag *t, bool served,
                      bool last)
{
	struct text text = { 0 };

	text_add(&text, "    \"");
	text_add(&text, name);
	text_add(&text, "\": {");
	if (!served) {
		text_add(&text, "\"served\": false}");
	} else {
		add_member(&text, "live_blocks", t->live_blocks, ", ");
		add_member(&text, "live_bytes", t->live_bytes, ", ");
		add_member(&text, "cached_blocks", t->cached_blocks, ", ");
		add_member(&text, "cached_bytes", t->cached_bytes, ", ");
		add_member(&text, "remote_blocks", t->remote_blocks, ", ");
		add_member(&text, "remote_bytes", t->remote_bytes, ", ");
		add_member(&text, "pools", t->pools, ", ");
		add_member(&text, "pool_bytes", t->pool_bytes, "}");
	}
	text_add(&text, last ? "\n" : ",\n");
	text_write(&text, fd);
}

/* Those of the libc names come last, and are among those of mem as well. */
static void write_tags(int fd, const struct report *report)
{
	bool names = report_has_part("malloc");

	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		write_tag(fd, report_tags[tag], &report->stats.tag[tag],
		          !report_unserved(report, tag), !names && tag + 1 == ARN_TAGS);
	if (names)
		write_tag(fd, "malloc", &report->stats.malloc, true, true);
}

/* What has no number is null. */
static void write_rows(int fd, const char *indent, const struct row *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct text text = { 0 };

		text_add(&text, indent);
		text_add(&text, "\"");
		text_add(&text, rows[i].json);
		text_add(&text, rows[i].unit == ROW_BYTES ? "_bytes\": " : "\": ");
		if (rows[i].instead)
			text_add(&text, "null");
		else
			text_add_number(&text, rows[i].value);
		text_add(&text, i + 1 < n ? ",\n" : "\n");
		text_write(&text, fd);
	}
}

static void write_head(int fd, const struct report *report)
{
	char program[PATH_MAX];
	struct text text = { 0 };

	report_program(program, sizeof(program));
	text_add(&text, "{\n  \"schema\": " SCHEMA ",\n  \"version\": \"" ARN_VERSION "\",\n  ");
	add_member(&text, "pid", (size_t)getpid(), ",\n  ");
	add_member(&text, "time", (size_t)report->time, ",\n  ");
	add_member(&text, "seconds", report_seconds(report), ",\n  \"program\": ");
	text_write(&text, fd);
	write_string(fd, program);
	write_text(fd, ",\n");
}

/* All of them, with the values in force, as one would write them. */
static void write_options(int fd)
{
	write_text(fd, "  \"options\": {\n");
	for (enum option option = 0; option < OPTIONS; option++) {
		struct text text = { 0 };

		write_text(fd, "    \"ARENITE_");
		write_text(fd, option_name(option));
		write_text(fd, "\": ");
		option_add_value(&text, option);
		text.bytes[min_size(text.length, sizeof(text.bytes) - 1)] = '\0';
		write_string(fd, text.bytes);
		write_text(fd, option + 1 < OPTIONS ? ",\n" : "\n");
	}
	write_text(fd, "  },\n");
}

static void write_left(int fd, const struct arn_stats *left)
{
	struct text text = { 0 };
	size_t blocks = left->made_blocks - left->freed_blocks;
	size_t bytes = left->made_bytes - left->freed_bytes;

	text_add(&text, "  \"left_at_exit\": {");
	add_member(&text, "left_blocks", blocks, ", ");
	add_member(&text, "left_bytes", bytes, "},\n");
	text_write(&text, fd);
}

/* Each part is a member of the outer object and writes its own value. */
static void write_parts(int fd)
{
	for (unsigned i = 0; i < report_parts(); i++) {
		write_text(fd, "  \"");
		write_text(fd, report_part(i)->name);
		write_text(fd, "\": ");
		report_part(i)->json(fd);
		write_text(fd, ",\n");
	}
}

void report_json(int fd, const struct report *report, const struct arn_stats *left)
{
	struct row numbers[REPORT_NUMBERS], resident[REPORT_RESIDENT];

	write_head(fd, report);
	write_options(fd);
	write_text(fd, "  \"tags\": {\n");
	write_tags(fd, report);
	write_text(fd, "  },\n  \"resident\": {\n");
	report_resident(report, resident);
	write_rows(fd, "    ", resident, REPORT_RESIDENT);
	write_text(fd, "  },\n");
	if (left)
		write_left(fd, left);
	write_parts(fd);
	report_numbers(report, numbers);
	write_rows(fd, "  ", numbers, REPORT_NUMBERS);
	write_text(fd, "}\n");
}

void arn_stats_json(int fd)
{
	struct report report;

	report_take(&report);
	report_json(fd, &report, NULL);
}
