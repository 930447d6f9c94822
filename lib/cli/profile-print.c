/* SPDX-License-Identifier: MIT
 *
 * profile-print.c - a profile as text: the lines with most live memory, what is made at one line
 * and freed at another, and collapsed stacks.
 */
#include "cli/profile.h"

#include <stdlib.h>
#include <string.h>

/* ---- texts ----------------------------------------------------------------------------------- */

/* "1.5 MiB", in a few static buffers, since a line of a table has several. */
static const char *bytes_text(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	static char texts[8][24];
	static unsigned next;
	char *text = texts[next++ % array_length(texts)];
	unsigned unit = 0;

	for (; (bytes >= 1024 || bytes <= -1024) && unit + 1 < array_length(units); unit++)
		bytes /= 1024;
	snprintf(text, sizeof(texts[0]), "%.1f %s", bytes, units[unit]);
	return text;
}

/* How many bytes of a text in UTF-8 are a character by which a line ends somewhere, or a terminal
 * is told something: control characters, U+2028 and U+2029. */
static size_t control_length(const char *c)
{
	uint8_t first = (uint8_t)c[0], second = (uint8_t)(first ? c[1] : 0);

	if (first < 0x20 || first == 0x7f)
		return 1;
	if (first == 0xc2 && second >= 0x80 && second < 0xa0)
		return 2;
	return strncmp(c, "\u2028", 3) == 0 || strncmp(c, "\u2029", 3) == 0 ? 3 : 0;
}

/* A function or a file of Python may be called anything. */
static void replace_controls(char *text)
{
	while (*text) {
		size_t length = control_length(text);

		memset(text, '?', length);
		text += max_size(length, 1);
	}
}

/* "function (file:line)", in memory of its own. */
static char *place_text(const struct place *place)
{
	char number[24] = "", *text;

	if (place->line)
		snprintf(number, sizeof(number), ":%d", place->line);
	if (!place->file)
		text = strdup(place->function);
	else if (asprintf(&text, "%s (%s%s)", place->function, place->file, number) < 0)
		text = NULL;
	if (!text)
		abort();
	replace_controls(text);
	return text;
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct row {
	char *text, *other;
	struct values values;
};

struct rows {
	struct row *row;
	size_t count;
};

/* The row with these texts, made now unless there is one. */
static struct row *row_of(struct rows *rows, char *text, char *other)
{
	for (size_t i = 0; i < rows->count; i++)
		if (strcmp(rows->row[i].text, text) == 0 &&
		    (!other || strcmp(rows->row[i].other, other) == 0))
			return &rows->row[i];
	if (rows->count % 256 == 0)
		rows->row = realloc(rows->row, (rows->count + 256) * sizeof(*rows->row));
	if (!rows->row)
		abort();
	rows->row[rows->count] = (struct row){ .text = text, .other = other };
	return &rows->row[rows->count++];
}

static void add_lines(struct rows *rows, const struct profile *profile, double factor)
{
	for (size_t i = 0; i < profile->stack_count; i++) {
		struct place place = profile_line(profile, profile->stacks[i].record);
		struct row *row = row_of(rows, place_text(&place), NULL);
		const struct values *values = &profile->stacks[i].values;

		row->values.live_bytes += factor * values->live_bytes;
		row->values.live_blocks += factor * values->live_blocks;
		row->values.made_bytes += factor * values->made_bytes;
		row->values.made_blocks += factor * values->made_blocks;
	}
}

static int by_live(const void *a, const void *b)
{
	double x = ((const struct row *)a)->values.live_bytes,
	       y = ((const struct row *)b)->values.live_bytes;

	x = x < 0 ? -x : x;
	y = y < 0 ? -y : y;
	return x < y ? 1 : x > y ? -1 : 0;
}

static int by_made(const void *a, const void *b)
{
	double x = ((const struct row *)a)->values.made_bytes,
	       y = ((const struct row *)b)->values.made_bytes;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void print_head(const struct profile *profile)
{
	printf("process %llu, one sample in %s, %zu live samples",
	       (unsigned long long)profile->header->process,
	       bytes_text((double)profile->header->mean), profile->sample_count);
	if (load_relaxed(&profile->header->x_dropped))
		printf(", %llu dropped: the image is full",
		       (unsigned long long)load_relaxed(&profile->header->x_dropped));
	if (profile->header->flags & PROFILE_COLLECTOR_APART)
		printf("\nlists, dicts, tuples and instances are in CPython's own heaps, and not "
		       "in here");
	if (profile->header->flags & PROFILE_NATIVE_ONLY)
		printf("\nnative frames only: those of Python are known from 3.13 on");
	printf("\n");
}

void profile_print_table(const struct profile *profile, const struct profile *before, size_t most)
{
	struct rows rows = { 0 };
	struct values all = { 0 };

	add_lines(&rows, profile, 1);
	if (before)
		add_lines(&rows, before, -1);
	for (size_t i = 0; i < rows.count; i++) {
		all.live_bytes += rows.row[i].values.live_bytes;
		all.live_blocks += rows.row[i].values.live_blocks;
		all.made_bytes += rows.row[i].values.made_bytes;
	}
	if (rows.count)
		qsort(rows.row, rows.count, sizeof(*rows.row), by_live);
	print_head(profile);
	printf("%12s %12s %12s  %s\n", before ? "live, more" : "live", "blocks", "made in all",
	       "line");
	printf("%12s %12.0f %12s  all\n", bytes_text(all.live_bytes), all.live_blocks,
	       bytes_text(all.made_bytes));
	for (size_t i = 0; i < rows.count && i < most; i++)
		printf("%12s %12.0f %12s  %s\n", bytes_text(rows.row[i].values.live_bytes),
		       rows.row[i].values.live_blocks, bytes_text(rows.row[i].values.made_bytes),
		       rows.row[i].text);
}

/* ---- made by, freed by ----------------------------------------------------------------------- */

struct matrix {
	const struct profile *profile;
	struct rows rows;
};

static char *text_at(const struct profile *profile, uint64_t at)
{
	const struct record *record = profile_record(profile, at, RECORD_STACK);
	struct place place = { "?", NULL, 0, 0 };

	if (record)
		place = profile_line(profile, (const struct record_stack *)record);
	return place_text(&place);
}

/* In a row of the matrix, live_bytes are those that another thread has freed. */
static void add_edge(const struct record *record, void *arg)
{
	const struct record_edge *edge = (const void *)record;
	struct matrix *matrix = arg;
	struct row *row = row_of(&matrix->rows, text_at(matrix->profile, edge->made_at),
	                         text_at(matrix->profile, edge->freed_at));

	row->values.made_bytes += (double)load_relaxed(&edge->all.x_bytes);
	row->values.made_blocks += (double)load_relaxed(&edge->all.x_blocks) / 256;
	row->values.live_bytes += (double)load_relaxed(&edge->by_others.x_bytes);
}

void profile_print_matrix(const struct profile *profile, size_t most)
{
	struct matrix matrix = { profile, { 0 } };

	profile_each(profile, RECORD_EDGE, add_edge, &matrix);
	if (matrix.rows.count)
		qsort(matrix.rows.row, matrix.rows.count, sizeof(*matrix.rows.row), by_made);
	print_head(profile);
	printf("%12s %12s %12s  %s\n", "freed", "blocks", "by others", "made by -> freed by");
	for (size_t i = 0; i < matrix.rows.count && i < most; i++)
		printf("%12s %12.0f %12s  %s -> %s\n",
		       bytes_text(matrix.rows.row[i].values.made_bytes),
		       matrix.rows.row[i].values.made_blocks,
		       bytes_text(matrix.rows.row[i].values.live_bytes), matrix.rows.row[i].text,
		       matrix.rows.row[i].other);
}

/* ---- collapsed ------------------------------------------------------------------------------- */

/* A frame in a collapsed stack must not have what separates frames.  What would end the line is
 * replaced already. */
static void put_frame(const struct place *place, FILE *to)
{
	char *text = place_text(place);

	for (char *c = text; *c; c++)
		if (*c == ';')
			*c = ',';
	fputs(text, to);
	free(text);
}

/* One line for each stack: the outermost frame first, and live bytes. */
void profile_print_collapsed(const struct profile *profile, FILE *to)
{
	for (size_t i = 0; i < profile->stack_count; i++) {
		const struct record_stack *stack = profile->stacks[i].record;
		double bytes = profile->stacks[i].values.live_bytes;

		if (bytes < 0.5)
			continue;
		if (stack->frames == 0)
			fputs("(no frames)", to);
		for (uint32_t n = stack->frames; n > 0; n--) {
			struct place place = profile_place(profile, stack->frame[n - 1]);

			put_frame(&place, to);
			if (n > 1)
				fputc(';', to);
		}
		fprintf(to, " %.0f\n", bytes);
	}
}
