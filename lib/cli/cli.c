/* SPDX-License-Identifier: MIT
 *
 * cli.c - the command `arenite`: finds the subcommand and hands the rest of the command line to it.
 * Subcommands that need no file of their own are here, too.
 */
#include "cli/cli.h"

#include "base/option.h"

#include <arenite/arenite.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct subcommand {
	const char *name, *arguments, *meaning;
	int (*run)(int argc, char **argv);
};

static int options_main(int argc, char **argv);
static int version_main(int argc, char **argv);
static int help_main(int argc, char **argv);

static const struct subcommand subcommands[] = {
	{ "run", "[OPTION...] PROGRAM", "run PROGRAM, its Python on Arenite; run --help",
	  run_main },
	{ "doctor", "[--malloc] [PYTHON]",
	  "what run takes over in PYTHON, and what keeps it from doing so", doctor_main },
	{ "graft", "SRC [OPTION]",
	  "put Arenite into CPython's source tree; --check, --diff, --undo", graft_main },
	{ "stress", "[OPTION...]", "use the allocator hard from many threads; stress --help",
	  stress_main },
	{ "options", "", "the ARENITE_* variables: value in force, meaning, range", options_main },
	{ "version", "", "the version", version_main },
	{ "help", "", "this", help_main },
};
#define SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

void cli_error(const char *format, ...)
{
	va_list arguments;

	fputs("arenite: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* What `arenite help` prints, and what `arenite` alone writes to stderr. */
static void print_usage(FILE *file)
{
	fputs("usage: arenite SUBCOMMAND\n", file);
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		fprintf(file, "  %-7s %-19s  %s\n", subcommands[i].name, subcommands[i].arguments,
		        subcommands[i].meaning);
}

static int no_arguments(int argc, char **argv)
{
	if (argc == 1)
		return CLI_OK;
	cli_error("%s takes no arguments", argv[0]);
	return CLI_USAGE;
}

/*
 * A full disk or a closed pipe is noticed only when the buffer is written: a command whose output
 * is lost must not end with 0.
 */
int cli_flushed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_OK;
	cli_error("cannot write to standard output");
	return CLI_FAILED;
}

static int options_main(int argc, char **argv)
{
	int status = no_arguments(argc, argv);

	if (status == CLI_OK)
		option_print_table(STDOUT_FILENO);
	return status;
}

static int version_main(int argc, char **argv)
{
	int status = no_arguments(argc, argv);

	if (status != CLI_OK)
		return status;
	printf("arenite %s\n", arn_version());
	return cli_flushed();
}

static int help_main(int argc, char **argv)
{
	int status = no_arguments(argc, argv);

	if (status != CLI_OK)
		return status;
	print_usage(stdout);
	return cli_flushed();
}

/* The subcommand of this name.  "--help" and "--version" are accepted as well. */
static const struct subcommand *find_subcommand(const char *name)
{
	name += strncmp(name, "--", 2) == 0 ? 2 : 0;
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct subcommand *subcommand = argc > 1 ? find_subcommand(argv[1]) : NULL;

	if (subcommand)
		return subcommand->run(argc - 1, argv + 1);
	if (argc > 1)
		cli_error("%s is not a subcommand; see arenite help", argv[1]);
	else
		print_usage(stderr);
	return CLI_USAGE;
}
