/* SPDX-License-Identifier: MIT
 *
 * top.c - `arenite top`: the processes that use Arenite, again and again, the largest first.
 *
 * Where standard output is no terminal, and where the command was built without ncurses, each look
 * is a heading and a line for each process.
 */
#include "cli/top.h"

#include "cli/args.h"
#include "cli/cli.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1024 };

static struct top_line *lines[MOST];
static size_t lines_used;

/* ---- looking --------------------------------------------------------------------------------- */

static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

/* The first look at a process knows no rates. */
static void note_values(struct top_line *line, double seconds)
{
	uint64_t made = outside_value(&line->process, "made_bytes");
	uint64_t purged = outside_value(&line->process, "purged_bytes");

	if (line->looks > 0) {
		line->made_rate = rate(made, line->made, seconds);
		line->purged_rate = rate(purged, line->purged, seconds);
	}
	line->made = made;
	line->purged = purged;
	line->looks++;
	memmove(line->rss, line->rss + 1, sizeof(line->rss) - sizeof(line->rss[0]));
	line->rss[TOP_SPARK - 1] = line->process.rss;
}

static bool is_known(pid_t pid)
{
	for (size_t i = 0; i < lines_used; i++)
		if (lines[i]->process.pid == pid)
			return true;
	return false;
}

/* Processes that are gone leave the list. */
static void read_known(double seconds)
{
	size_t kept = 0;

	for (size_t i = 0; i < lines_used; i++) {
		if (outside_read(&lines[i]->process)) {
			note_values(lines[i], seconds);
			lines[kept++] = lines[i];
		} else {
			outside_close(&lines[i]->process);
			free(lines[i]);
		}
	}
	lines_used = kept;
}

static void add(const struct outside *process)
{
	struct top_line *line = lines_used < MOST ? calloc(1, sizeof(*line)) : NULL;

	if (!line)
		return;
	line->process = *process;
	note_values(line, 0);
	lines[lines_used++] = line;
}

static void add_one(pid_t pid)
{
	struct outside process;

	if (!is_known(pid) && !outside_open(&process, pid))
		add(&process);
}

static void add_new(void)
{
	static struct outside found[MOST];
	size_t n = outside_open_all(found, MOST);

	for (size_t i = 0; i < n; i++) {
		if (is_known(found[i].pid))
			outside_close(&found[i]);
		else
			add(&found[i]);
	}
}

static int by_rss(const void *a, const void *b)
{
	const struct top_line *const *one = a, *const *other = b;
	uint64_t x = (*one)->process.rss, y = (*other)->process.rss;

	return (y > x) - (y < x);
}

size_t top_look(pid_t pid, double seconds)
{
	read_known(seconds);
	if (pid)
		add_one(pid);
	else
		add_new();
	qsort(lines, lines_used, sizeof(*lines), by_rss);
	return lines_used;
}

const struct top_line *top_line(size_t i)
{
	return lines[i];
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Each value is a bar as high as its share of the largest one. */
static void add_spark(char *text, size_t size, const uint64_t rss[TOP_SPARK])
{
	static const char bars[] = "▁▂▃▄▅▆▇█"; /* of 3 bytes each */
	static const char plain[] = "..:-=+*#";
	bool fine = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	uint64_t most = 1;

	for (unsigned i = 0; i < TOP_SPARK; i++)
		most = rss[i] > most ? rss[i] : most;
	for (unsigned i = 0; i < TOP_SPARK; i++) {
		size_t height = (size_t)((rss[i] * 8 + most - 1) / most), end = strlen(text);

		if (height == 0)
			snprintf(text + end, size - end, " ");
		else if (fine)
			snprintf(text + end, size - end, "%.3s", bars + (height - 1) * 3);
		else
			snprintf(text + end, size - end, "%c", plain[height - 1]);
	}
}

void top_head(char *text, size_t size)
{
	snprintf(text, size, "%8s %9s %9s %9s %9s %9s %9s %5s  %-*s  %s", "PID", "RSS MiB", "peak",
	         "live MiB", "peak", "made/s", "purged/s", "heaps", TOP_SPARK, "RSS", "PROGRAM");
}

void top_text(char *text, size_t size, const struct top_line *line)
{
	const struct outside *p = &line->process;
	const char *name = cli_base_name(p->program);

	snprintf(text, size, "%8d %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %5u  ", (int)p->pid,
	         cli_mib((double)p->rss), cli_mib((double)p->peak_rss),
	         cli_mib((double)outside_sum(p, "live_bytes")),
	         cli_mib((double)outside_value(p, "peak_live_bytes")), cli_mib(line->made_rate),
	         cli_mib(line->purged_rate), (unsigned)outside_sum(p, "heaps"));
	add_spark(text, size, line->rss);
	snprintf(text + strlen(text), size - strlen(text), "  %s", name);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void rest(double seconds)
{
	struct timespec pause = { (time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9) };

	nanosleep(&pause, NULL);
}

/* false: there is nothing to show any more, or nobody reads it. */
static bool print_look(pid_t pid, double seconds)
{
	size_t n = top_look(pid, seconds);
	char text[512];

	top_head(text, sizeof(text));
	puts(text);
	for (size_t i = 0; i < n; i++) {
		top_text(text, sizeof(text), top_line(i));
		puts(text);
	}
	return cli_flushed() == CLI_OK && (n > 0 || !pid);
}

static int print_looks(pid_t pid, double seconds, unsigned long long count)
{
	for (unsigned long long i = 0; count == 0 || i < count; i++) {
		if (i > 0)
			rest(seconds);
		if (!print_look(pid, i > 0 ? seconds : 0))
			break;
	}
	return cli_flushed();
}

/* A process that cannot be looked at is said before anything is shown. */
static bool can_look(pid_t pid)
{
	struct outside process;
	const char *why = outside_open(&process, pid);

	if (why)
		cli_error("process %d: %s", (int)pid, why);
	else
		outside_close(&process);
	return !why;
}

int top_main(int argc, char **argv)
{
	unsigned long long seconds = 1, count = 0;
	struct args args;
	const char *name;
	pid_t pid = 0;

	args_begin(&args, argc, argv);
	while ((name = args_next(&args))) {
		if (strcmp(name, "seconds") == 0)
			args_number(&args, 1, 86400, &seconds);
		else
			args_number(&args, 1, 1000000, &count);
	}
	if (!args_end(&args, 0, 1))
		return args.status;
	if (args.operands && !outside_parse(args.operand[0], &pid))
		return CLI_USAGE;
	if (pid && !can_look(pid))
		return CLI_FAILED;
	setlocale(LC_CTYPE, "");
	if (isatty(STDOUT_FILENO) && top_screen(pid, (double)seconds, count))
		return CLI_OK;
	return print_looks(pid, (double)seconds, count);
}
