/* SPDX-License-Identifier: MIT
 *
 * report.c - the statistics as a table and as JSON.
 *
 * Both are written line by line from a buffer on the stack (base/text.h), with write(2): they may
 * be asked for in a process that is out of memory, and printf would allocate.  The two have one
 * list of numbers, so that none is forgotten in one of them; doc/options.md says what each number
 * means.
 */
#include "api/report.h"

#include "base/base.h"
#include "base/text.h"
#include "os/os.h"

#include <arenite/arenite.h>

#include <string.h>
#include <unistd.h>

static const char *const tag_names[ARN_TAGS] = { "mem", "object", "gc", "gc_pre" };

static void add_column(struct text *text, size_t number, size_t width)
{
	struct text digits = { 0 };

	text_add_number(&digits, number);
	for (size_t n = digits.length; n < width; n++)
		text_add(text, " ");
	digits.bytes[digits.length] = '\0';
	text_add(text, digits.bytes);
}

static void print_tag(int fd, const char *name, const struct arn_stats_tag *tag)
{
	struct text text = { 0 };

	text_add(&text, "  ");
	text_add(&text, name);
	while (text.length < 10)
		text_add(&text, " ");
	add_column(&text, tag->live_blocks, 12);
	add_column(&text, tag->live_bytes, 15);
	add_column(&text, tag->cached_bytes, 12);
	add_column(&text, tag->remote_bytes, 12);
	add_column(&text, tag->pools, 9);
	add_column(&text, tag->pool_bytes, 15);
	text_add(&text, "\n");
	text_write(&text, fd);
}

/* One number: its name in the table, and in the JSON. */
struct line {
	const char *name, *json;
	size_t value;
};

static void print_line(int fd, const struct line *line)
{
	struct text text = { 0 };

	text_add(&text, "  ");
	text_add(&text, line->name);
	while (text.length < 44)
		text_add(&text, " ");
	add_column(&text, line->value, 15);
	text_add(&text, "\n");
	text_write(&text, fd);
}

#define LINES 13

/*
 * The page size comes last, because the table leaves it out: there it would be taken for an amount
 * of memory.
 */
static void fill_lines(const struct arn_stats *s, struct line lines[LINES])
{
	const struct line filled[LINES] = {
		{ "raw: blocks made", "raw_mallocs", s->raw_mallocs },
		{ "raw: blocks freed", "raw_frees", s->raw_frees },
		{ "raw: live bytes", "raw_live_bytes", s->raw_live_bytes },
		{ "arenas", "arenas", s->arenas },
		{ "arenas: address space", "arena_bytes", s->arena_bytes },
		{ "arenas: in pools", "claimed_bytes", s->claimed_bytes },
		{ "arenas: free, kept resident for reuse", "retained_bytes", s->retained_bytes },
		{ "own records: address space", "metadata_bytes", s->metadata_bytes },
		{ "heaps", "heaps", s->heaps },
		{ "heaps without an owner", "orphan_heaps", s->orphan_heaps },
		{ "purges", "purges", s->purges },
		{ "purges: bytes returned", "purged_bytes", s->purged_bytes },
		{ "page size", "page_size", os_page_size() },
	};

	for (unsigned i = 0; i < LINES; i++)
		lines[i] = filled[i];
}

/* The parts that other libraries have added, in the order in which they are printed. */
static const struct arn_stats_part *parts[4];
static unsigned parts_used;

#define CAUSES 9

/* The causes for which memory is resident (resident.c). */
static void fill_causes(struct line causes[CAUSES])
{
	struct arn_resident r;

	arn_stats_resident(&r, sizeof(r));
	memcpy(causes,
	       (struct line[CAUSES]){
		       { "resident: live blocks", "live", r.live },
		       { "resident: in pool caches", "cached", r.cached },
		       { "resident: freed by other threads", "remote", r.remote },
		       { "resident: empty pools that wait for readers", "waiting", r.waiting },
		       { "resident: arenas that wait for readers", "retired", r.retired },
		       { "resident: free, beside what is used", "pinned", r.pinned },
		       { "resident: free, kept for reuse", "retained", r.retained },
		       { "resident: own records", "metadata", r.metadata },
		       { "resident: all", "total", r.total },
	       },
	       CAUSES * sizeof(*causes));
}

void arn_stats_print(int fd)
{
	struct arn_stats stats;
	struct text head = { 0 };
	struct line lines[LINES], causes[CAUSES];

	arn_stats_read(&stats, sizeof(stats));
	fill_lines(&stats, lines);
	text_add(&head, "arenite " ARN_VERSION ", process ");
	text_add_number(&head, (size_t)getpid());
	text_add(&head, "\n"
	                "  tag       live blocks     live bytes      cached      remote    pools   "
	                "  pool bytes\n");
	text_write(&head, fd);
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		print_tag(fd, tag_names[tag], &stats.tag[tag]);
	for (unsigned i = 0; i < LINES - 1; i++)
		print_line(fd, &lines[i]);
	fill_causes(causes);
	for (unsigned i = 0; i < CAUSES; i++)
		print_line(fd, &causes[i]);
	for (unsigned i = 0; i < parts_used; i++)
		parts[i]->text(fd);
}

static void add_member(struct text *text, const char *name, size_t value, const char *after)
{
	text_add(text, "\"");
	text_add(text, name);
	text_add(text, "\": ");
	text_add_number(text, value);
	text_add(text, after);
}

static void json_tag(int fd, const char *name, const struct arn_stats_tag *tag, bool last)
{
	struct text text = { 0 };

	text_add(&text, "    \"");
	text_add(&text, name);
	text_add(&text, "\": {");
	add_member(&text, "live_blocks", tag->live_blocks, ", ");
	add_member(&text, "live_bytes", tag->live_bytes, ", ");
	add_member(&text, "cached_blocks", tag->cached_blocks, ", ");
	add_member(&text, "cached_bytes", tag->cached_bytes, ", ");
	add_member(&text, "remote_blocks", tag->remote_blocks, ", ");
	add_member(&text, "remote_bytes", tag->remote_bytes, ", ");
	add_member(&text, "pools", tag->pools, ", ");
	add_member(&text, "pool_bytes", tag->pool_bytes, last ? "}\n" : "},\n");
	text_write(&text, fd);
}

static void json_text(int fd, const char *string)
{
	struct text text = { 0 };

	text_add(&text, string);
	text_write(&text, fd);
}

/* Each part is a member of the outer object and writes its own value. */
static void json_parts(int fd)
{
	for (unsigned i = 0; i < parts_used; i++) {
		json_text(fd, ",\n  \"");
		json_text(fd, parts[i]->name);
		json_text(fd, "\": ");
		parts[i]->json(fd);
	}
	json_text(fd, "\n}\n");
}

static void json_lines(int fd, const char *indent, const struct line *lines, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct text text = { 0 };

		text_add(&text, indent);
		add_member(&text, lines[i].json, lines[i].value, i + 1 < n ? ",\n" : "");
		text_write(&text, fd);
	}
}

void arn_stats_json(int fd)
{
	struct arn_stats stats;
	struct line lines[LINES], causes[CAUSES];

	arn_stats_read(&stats, sizeof(stats));
	fill_lines(&stats, lines);
	fill_causes(causes);
	json_text(fd, "{\n  \"version\": \"" ARN_VERSION "\",\n  \"tags\": {\n");
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		json_tag(fd, tag_names[tag], &stats.tag[tag], tag + 1 == ARN_TAGS);
	json_text(fd, "  },\n  \"resident\": {\n");
	json_lines(fd, "    ", causes, CAUSES);
	json_text(fd, "\n  },\n");
	json_lines(fd, "  ", lines, LINES);
	json_parts(fd);
}

/*
 * A part that is there already is not added again.  Whoever adds the first one is about to use
 * Arenite, so the process says now what it has to say at its beginning.  false: there is no room.
 */
bool arn_stats_add(const struct arn_stats_part *part)
{
	for (unsigned i = 0; i < parts_used; i++)
		if (parts[i] == part)
			return true;
	if (parts_used == array_length(parts))
		return false;
	report_begin();
	parts[parts_used++] = part;
	return true;
}

unsigned report_parts(void)
{
	return parts_used;
}
