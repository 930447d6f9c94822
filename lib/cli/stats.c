/* SPDX-License-Identifier: MIT
 *
 * stats.c - `arenite stats`: the statistics of a process that runs, or a line for each process that
 * uses Arenite, from their pages.
 */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/outside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 4000 };

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Bytes that are not ASCII are written as Python reads names of files (surrogateescape). */
static void print_string(const char *string)
{
	putchar('"');
	for (; *string; string++) {
		unsigned char byte = (unsigned char)*string;

		if (byte == '"' || byte == '\\')
			printf("\\%c", byte);
		else if (byte < 0x20 || byte >= 0x7f)
			printf(byte < 0x80 ? "\\u00%02x" : "\\udc%02x", byte);
		else
			putchar(byte);
	}
	putchar('"');
}

/* Each row under its own name, as the page has it. */
static void print_json(const struct outside *process)
{
	printf("{\n  \"pid\": %d,\n  \"program\": ", (int)process->pid);
	print_string(process->program);
	for (uint32_t i = 0; i < process->rows; i++) {
		printf(",\n  ");
		print_string(arn_page_row(process->page, i)->name);
		printf(": %" PRIu64, process->value[i]);
	}
	printf(",\n  \"process_bytes\": %" PRIu64 ",\n  \"other_bytes\": %" PRIu64
	       ",\n  \"files_bytes\": %" PRIu64 ",\n  \"peak_process_bytes\": %" PRIu64 "\n}",
	       process->rss, outside_other(process), process->files, process->peak_rss);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void print_bytes(const char *name, uint64_t bytes)
{
	printf("  %-46s %10.2f MiB\n", name, cli_mib((double)bytes));
}

static void print_tag(const struct outside *process, const char *tag)
{
	char name[64];
	uint64_t blocks;

	snprintf(name, sizeof(name), "live_blocks.%s", tag);
	blocks = outside_value(process, name);
	snprintf(name, sizeof(name), "live_bytes.%s", tag);
	printf("  %-10s %14" PRIu64 " %10.2f\n", tag, blocks,
	       cli_mib((double)outside_value(process, name)));
}

/* The time at which the page was written; a process that allocates nothing leaves it as it is. */
static double age(const struct outside *process)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
	       (double)outside_value(process, "updated") / 1e3;
}

static void print_head(const struct outside *process)
{
	uint64_t version = outside_value(process, "version");

	printf("arenite %" PRIu64 ".%" PRIu64 ".%" PRIu64 ", process %d, %s\n", version / 10000,
	       version / 100 % 100, version % 100, (int)process->pid, process->program);
	printf("  the numbers are %.1f s old\n", age(process));
	printf("  tag           live blocks   live MiB\n");
}

static void print_number(const struct outside *process, const char *row, const char *unit,
                         const char *name)
{
	uint64_t value = outside_value(process, row);

	if (*unit)
		print_bytes(name, value);
	else
		printf("  %-46s %10" PRIu64 "\n", name, value);
}

static void print_numbers(const struct outside *process)
{
#define ROW(metric, kind, unit, text, help) print_number(process, ROW_OF(#metric), unit, text);
#include "cli/rows.def"
#undef ROW
}

static void print_text(const struct outside *process)
{
	static const char *const tags[] = { "mem", "object", "gc", "gc_pre" };
	static const struct {
		const char *row, *name;
	} bytes[] = { { "resident_bytes.live", "resident: live blocks" },
		      { "resident_bytes.cached", "resident: ready in pool caches" },
		      { "resident_bytes.remote", "resident: freed by other threads" },
		      { "resident_bytes.waiting", "resident: empty pools that wait for readers" },
		      { "resident_bytes.pinned", "resident: free, beside what is used" },
		      { "resident_bytes.retained", "resident: free, kept for reuse" },
		      { "resident_bytes.metadata", "resident: own records" } };

	print_head(process);
	for (unsigned i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		print_tag(process, tags[i]);
	print_numbers(process);
	for (unsigned i = 0; i < sizeof(bytes) / sizeof(*bytes); i++)
		print_bytes(bytes[i].name, outside_value(process, bytes[i].row));
	print_bytes("resident: others: libc, Python's heaps, stacks", outside_other(process));
	print_bytes("resident: files and shared memory", process->files);
	print_bytes("resident: all of the process (RSS)", process->rss);
	print_bytes("resident: the same at its peak", process->peak_rss);
	printf("  heaps: %" PRIu64 ", and %" PRIu64 " without an owner\n",
	       outside_value(process, "heaps.owned"), outside_value(process, "heaps.orphan"));
}

/* ---- one process, or all --------------------------------------------------------------------- */

static int show_one(pid_t pid, bool json)
{
	struct outside process;
	const char *why = outside_open(&process, pid);

	if (why) {
		cli_error("process %d: %s", (int)pid, why);
		return CLI_FAILED;
	}
	if (json) {
		print_json(&process);
		putchar('\n');
	} else {
		print_text(&process);
	}
	outside_close(&process);
	return cli_flushed();
}

static void print_line(const struct outside *process)
{
	printf("%8d %10.1f %10.1f %10.1f %10.1f  %s\n", (int)process->pid,
	       cli_mib((double)process->rss), cli_mib((double)process->peak_rss),
	       cli_mib((double)outside_sum(process, "live_bytes")),
	       cli_mib((double)outside_value(process, "peak_live_bytes")),
	       cli_base_name(process->program));
}

static int show_all(bool json)
{
	static struct outside processes[MOST];
	size_t n = outside_open_all(processes, MOST);

	if (json)
		printf("[");
	else
		printf("     PID    RSS MiB       peak   live MiB       peak  PROGRAM\n");
	for (size_t i = 0; i < n; i++) {
		if (json)
			printf(i > 0 ? ",\n" : "\n");
		if (json)
			print_json(&processes[i]);
		else
			print_line(&processes[i]);
		outside_close(&processes[i]);
	}
	if (json)
		printf("\n]\n");
	return cli_flushed();
}

int stats_main(int argc, char **argv)
{
	struct args args;
	bool json = false;
	pid_t pid;

	args_begin(&args, argc, argv);
	while (args_next(&args))
		json = true; /* the only option */
	if (!args_end(&args, 0, 1))
		return args.status;
	if (args.operands == 0)
		return show_all(json);
	return outside_parse(args.operand[0], &pid) ? show_one(pid, json) : CLI_USAGE;
}
