/* SPDX-License-Identifier: MIT
 *
 * cli.c - the command `arenite`: finds the subcommand and hands the rest of the command line to it.
 * Subcommands that need no file of their own are here, too.  commands.def lists all of them.
 */
#include "cli/cli.h"

#include "base/option.h"
#include "cli/args.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cli_error(const char *format, ...)
{
	va_list arguments;

	fputs("arenite: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
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

const char *cli_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The command line of a command that has no options and no operands.  true: it is right. */
static bool is_alone(struct args *args, int argc, char **argv)
{
	args_begin(args, argc, argv);
	args_next(args);
	return args_end(args, 0, 0);
}

int options_main(int argc, char **argv)
{
	struct args args;

	if (!is_alone(&args, argc, argv))
		return args.status;
	option_print_table(STDOUT_FILENO);
	return CLI_OK;
}

int version_main(int argc, char **argv)
{
	struct args args;

	return is_alone(&args, argc, argv) ? args_print_version() : args.status;
}

int help_main(int argc, char **argv)
{
	struct args args;

	args_begin(&args, argc, argv);
	args_next(&args);
	if (!args_end(&args, 0, 1))
		return args.status;
	return args.operands ? args_print_help(args.operand[0]) : args_print_commands();
}

/* The command of this name; options for the help and the version stand for commands, too. */
static char *name_of(char *word)
{
	static char help[] = "help", version[] = "version";

	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
		return help;
	if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0)
		return version;
	return word;
}

int main(int argc, char **argv)
{
	int (*run)(int, char **);

	if (argc < 2) {
		args_print_usage();
		return CLI_USAGE;
	}
	argv[1] = name_of(argv[1]);
	run = args_find(argv[1]);
	if (run)
		return run(argc - 1, argv + 1);
	cli_error("%s is not a command; see arenite help", argv[1]);
	return CLI_USAGE;
}
