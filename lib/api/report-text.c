/* SPDX-License-Identifier: MIT
 *
 * report-text.c - the statistics as a table, in MiB.
 *
 * It is written line by line from a buffer on the stack (base/text.h), with write(2): it may be
 * asked for in a process that is out of memory, and printf would allocate.
 */
#include "api/report.h"

#include "base/option.h"
#include "base/text.h"

#include <arenite/arenite.h>

#include <string.h>
#include <time.h>
#include <unistd.h>

static void add_column(struct text *text, const struct text *number, size_t width)
{
	struct text end = *number;

	end.bytes[end.length] = '\0';
	text_pad(text, text->length + width - min_size(width, end.length));
	text_add(text, end.bytes);
}

static void add_count(struct text *text, size_t count, size_t width)
{
	struct text number = { 0 };

	text_add_number(&number, count);
	add_column(text, &number, width);
}

static void add_mib(struct text *text, size_t bytes, size_t width)
{
	struct text number = { 0 };

	text_add_mib(&number, bytes);
	add_column(text, &number, width);
}

static void print_tag(int fd, const char *name, const struct arn_stats_tag *t, const char *unserved)
{
	struct text text = { 0 };

	text_add(&text, "  ");
	text_add(&text, name);
	text_pad(&text, 10);
	if (unserved) {
		text_add(&text, "  ");
		text_add(&text, unserved);
	} else {
		add_count(&text, t->live_blocks, 14);
		add_mib(&text, t->live_bytes, 12);
		add_mib(&text, t->cached_bytes, 10);
		add_mib(&text, t->remote_bytes, 10);
		add_count(&text, t->pools, 9);
		add_mib(&text, t->pool_bytes, 12);
	}
	text_add(&text, "\n");
	text_write(&text, fd);
}

static void print_row(int fd, const char *before, const struct row *row)
{
	struct text text = { 0 };

	text_add(&text, before);
	text_add(&text, row->name);
	text_pad(&text, 50);
	if (row->instead)
		text_add(&text, row->instead);
	else if (row->unit == ROW_BYTES)
		add_mib(&text, row->value, 12);
	else
		add_count(&text, row->value, 12);
	text_add(&text, row->instead || row->unit == ROW_COUNT ? "\n" : " MiB\n");
	text_write(&text, fd);
}

/* The calendar's date and the time of day in UTC, without the C library's locks and time zones:
 * days since 1970 are counted in years of the Gregorian calendar that begin in March. */
static void add_time(struct text *text, time_t time)
{
	size_t second = (size_t)time % 86400, days = (size_t)time / 86400 + 719468;
	size_t era = days / 146097, day = days % 146097;
	size_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	size_t of_year = day - (365 * year + year / 4 - year / 100);
	size_t month = (5 * of_year + 2) / 153, of_month = of_year - (153 * month + 2) / 5 + 1;
	const size_t field[] = { era * 400 + year + (month >= 10),
		                 (month + 2) % 12 + 1,
		                 of_month,
		                 second / 3600,
		                 second / 60 % 60,
		                 second % 60 };

	for (unsigned i = 0; i < array_length(field); i++) {
		if (i > 0)
			text_add(text, i < 3 ? "-" : i == 3 ? " " : ":");
		text_add(text, field[i] < 10 ? "0" : "");
		text_add_number(text, field[i]);
	}
	text_add(text, " UTC");
}

static void print_head(int fd, const struct report *report)
{
	struct text text = { 0 };
	char program[200];

	report_program(program, sizeof(program));
	text_add(&text, "arenite " ARN_VERSION ", process ");
	text_add_number(&text, (size_t)getpid());
	text_add(&text, ", ");
	text_add(&text, program);
	text_add(&text, "\n  ");
	add_time(&text, report->time);
	text_add(&text, ", after ");
	text_add_number(&text, report_seconds(report));
	text_add(&text, " s\n");
	text_write(&text, fd);
}

/* Only those options that were given a value, each in a line of its own. */
static void print_options(int fd)
{
	for (enum option option = 0; option < OPTIONS; option++) {
		struct text text = { 0 };

		if (!option_is_given(option))
			continue;
		text_add(&text, "  ARENITE_");
		text_add(&text, option_name(option));
		text_add(&text, "=");
		option_add_value(&text, option);
		text_add(&text, "\n");
		text_write(&text, fd);
	}
}

static void print_left(int fd, const struct arn_stats *left)
{
	struct text text = { 0 };
	size_t blocks = left->made_blocks - left->freed_blocks;
	size_t bytes = left->made_bytes - left->freed_bytes;

	text_add(&text, "  left when the process ended: ");
	text_add_number(&text, blocks);
	text_add(&text, " blocks, ");
	text_add_mib(&text, bytes);
	text_add(&text, " MiB\n");
	text_write(&text, fd);
}

/* A row of the page size would be taken for an amount of memory, so the table leaves it out. */
void report_text(int fd, const struct report *report, const struct arn_stats *left)
{
	struct row numbers[REPORT_NUMBERS], resident[REPORT_RESIDENT];
	struct text text = { 0 };

	print_head(fd, report);
	print_options(fd);
	text_add(&text, "  tag          live blocks    live MiB    cached    remote    pools    "
	                "pools MiB\n");
	text_write(&text, fd);
	for (unsigned tag = 0; tag < ARN_TAGS; tag++)
		print_tag(fd, report_tags[tag], &report->stats.tag[tag],
		          report_unserved(report, tag));
	if (report_has_part("malloc"))
		print_tag(fd, "(malloc)", &report->stats.malloc, NULL);
	report_numbers(report, numbers);
	for (unsigned i = 0; i + 1 < REPORT_NUMBERS; i++)
		print_row(fd, "  ", &numbers[i]);
	report_resident(report, resident);
	for (unsigned i = 0; i < REPORT_RESIDENT; i++)
		print_row(fd, "  resident: ", &resident[i]);
	if (left)
		print_left(fd, left);
	for (unsigned i = 0; i < report_parts(); i++)
		report_part(i)->text(fd);
}

void arn_stats_print(int fd)
{
	struct report report;

	report_take(&report);
	report_text(fd, &report, NULL);
}
