/* SPDX-License-Identifier: MIT
 *
 * metrics.c - `arenite metrics`: the pages of all processes as text for Prometheus (OpenMetrics
 * 1.0).  Each metric is written once, with a line for each process.
 */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/outside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 4000 };

static struct outside processes[MOST];
static size_t processes_used;

/* A metric: its name, and the row of the page, or the rows ROW.x for all x, which become the value
 * of the label. */
struct metric {
	const char *name, *type, *unit, *row, *label, *help;
};

static const struct metric metrics[] = {
	{ "arenite_resident_bytes", "gauge", "bytes", "resident_bytes", "cause",
	  "Memory of the process by why it is resident; the causes sum to RSS." },
	{ "arenite_live_bytes", "gauge", "bytes", "live_bytes", "tag",
	  "Bytes of blocks that were handed out and not freed." },
	{ "arenite_live_blocks", "gauge", "", "live_blocks", "tag",
	  "Blocks that were handed out and not freed." },
	{ "arenite_heaps", "gauge", "", "heaps", "state",
	  "Heaps that a thread owns, and those without an owner." },
#define ROW(metric, kind, unit, text, help) { #metric, kind, unit, ROW_OF(#metric), NULL, help },
#include "cli/rows.def"
#undef ROW
};

/* ---- labels ---------------------------------------------------------------------------------- */

/* The name of the program without its folders.  Bytes that are not ASCII are left out. */
static void print_program(const char *path)
{
	const char *name = cli_base_name(path);

	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			printf("\\%c", *name);
		else if (*name >= 0x20 && *name < 0x7f)
			putchar(*name);
	}
}

static void print_sample(const struct metric *metric, const struct outside *process,
                         const char *label, uint64_t value)
{
	printf("%s%s{pid=\"%d\",program=\"", metric->name,
	       strcmp(metric->type, "counter") == 0 ? "_total" : "", (int)process->pid);
	print_program(process->program);
	printf("\"");
	if (label)
		printf(",%s=\"%s\"", metric->label, label);
	printf("} %" PRIu64 "\n", value);
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void print_rows(const struct metric *metric, const struct outside *process)
{
	size_t length = strlen(metric->row);

	for (uint32_t i = 0; i < process->rows; i++) {
		const char *name = arn_page_row(process->page, i)->name;

		if (strncmp(name, metric->row, length) != 0)
			continue;
		if (metric->label ? name[length] == '.' : name[length] == '\0')
			print_sample(metric, process, metric->label ? name + length + 1 : NULL,
			             process->value[i]);
	}
}

static void print_metric(const struct metric *metric)
{
	printf("# TYPE %s %s\n", metric->name, metric->type);
	if (*metric->unit)
		printf("# UNIT %s %s\n", metric->name, metric->unit);
	printf("# HELP %s %s\n", metric->name, metric->help);
	for (size_t i = 0; i < processes_used; i++) {
		print_rows(metric, &processes[i]);
		if (strcmp(metric->name, "arenite_resident_bytes") != 0)
			continue;
		print_sample(metric, &processes[i], "other", outside_other(&processes[i]));
		print_sample(metric, &processes[i], "files", processes[i].files);
	}
}

static void print_build(void)
{
	printf("# TYPE arenite_build info\n"
	       "# HELP arenite_build The version of Arenite in the process.\n");
	for (size_t i = 0; i < processes_used; i++) {
		uint64_t version = outside_value(&processes[i], "version");

		printf("arenite_build_info{pid=\"%d\",program=\"", (int)processes[i].pid);
		print_program(processes[i].program);
		printf("\",version=\"%" PRIu64 ".%" PRIu64 ".%" PRIu64 "\"} 1\n", version / 10000,
		       version / 100 % 100, version % 100);
	}
}

int metrics_main(int argc, char **argv)
{
	struct args args;

	args_begin(&args, argc, argv);
	args_next(&args);
	if (!args_end(&args, 0, 0))
		return args.status;
	processes_used = outside_open_all(processes, MOST);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++)
		print_metric(&metrics[i]);
	print_build();
	puts("# EOF");
	return cli_flushed();
}
