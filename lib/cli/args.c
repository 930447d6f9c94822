/* SPDX-License-Identifier: MIT
 *
 * args.c - the table of commands.def in memory, and the reading of command lines by it.
 */
#include "cli/args.h"

#include "cli/cli.h"
#include "cli/help.h"

#include <arenite/arenite.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND(name, operands, completion, meaning) \
	{ ROW_COMMAND, #name, "", operands, ROW_##completion, meaning, name##_main },
#define OPTION(name, letter, value, completion, meaning) \
	{ ROW_OPTION, name, letter, value, ROW_##completion, meaning, NULL },
#define VARIABLES(meaning) { ROW_VARIABLES, "", "", "", ROW_NOTHING, meaning, NULL },
const struct row rows[] = {
#include "cli/commands.def"
	{ 0 },
};

const struct row *row_find(const char *name)
{
	for (const struct row *row = rows; row->kind; row++)
		if (row->kind == ROW_COMMAND && strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

int (*args_find(const char *name))(int argc, char **argv)
{
	const struct row *command = row_find(name);

	return command ? command->run : NULL;
}

void args_begin(struct args *args, int argc, char **argv)
{
	*args = (struct args){ .word = argv + 1, .status = CLI_OK, .command = row_find(argv[0]) };
	args->operand = argv + (argc > 0);
}

/* Nothing more is to be done, and this is the exit status. */
static const char *stop(struct args *args, int status)
{
	args->over = true;
	args->status = status;
	return NULL;
}

/*
 * The row of an option that is written --name, --name=value or -x.  NULL: the command has no such
 * option.
 */
static const struct row *find_option(const struct row *command, const char *word)
{
	size_t length = strcspn(word + 2, "=");

	for (const struct row *row = command + 1; row->kind > ROW_COMMAND; row++) {
		if (row->kind != ROW_OPTION)
			continue;
		if (word[1] != '-' && *row->letter && strcmp(row->letter, word + 1) == 0)
			return row;
		if (word[1] == '-' && strlen(row->name) == length &&
		    memcmp(row->name, word + 2, length) == 0)
			return row;
	}
	return NULL;
}

static bool has_variables(const struct row *command)
{
	for (const struct row *row = command + 1; row->kind > ROW_COMMAND; row++)
		if (row->kind == ROW_VARIABLES)
			return true;
	return false;
}

static bool is_either(const char *word, const char *letter, const char *name)
{
	return strcmp(word, letter) == 0 || strcmp(word, name) == 0;
}

/*
 * An option that is in no row: the help, the version, or one of the variables.  true: it is done,
 * and the next is to be read.
 */
static bool take_other(struct args *args, const char *word)
{
	const struct row *command = args->command;

	if (is_either(word, "-h", "--help"))
		return stop(args, args_print_help(command->name));
	if (is_either(word, "-V", "--version"))
		return stop(args, args_print_version());
	if (has_variables(command) && word[1] == '-') {
		if (args->variable(word + 2, *args->word))
			return true;
		return stop(args, CLI_USAGE);
	}
	cli_error("%s has no option %s; see arenite help %s", command->name, word, command->name);
	return stop(args, CLI_USAGE);
}

/* Find the value of this option, behind a "=" or in the next word. */
static const char *take_option(struct args *args, const struct row *row, const char *word)
{
	const char *value = word[1] == '-' ? strchr(word, '=') : NULL;

	args->value = value ? value + 1 : NULL;
	if (!*row->value && value) {
		cli_error("--%s takes no value", row->name);
		return stop(args, CLI_USAGE);
	}
	if (*row->value && !value && !(args->value = *args->word)) {
		cli_error("--%s needs a value: write --%s=%s", row->name, row->name, row->value);
		return stop(args, CLI_USAGE);
	}
	args->word += *row->value && !value;
	return row->name;
}

/*
 * The operands are moved to the beginning of argv, except for those of a command that starts a
 * program, whose own options must stay where they are.
 */
const char *args_next(struct args *args)
{
	while (!args->over && *args->word) {
		char *word = *args->word++;
		const struct row *row;

		if (strcmp(word, "--") == 0)
			break;
		if (word[0] != '-' || !word[1]) {
			if (args->command->completion == ROW_COMMAND_LINE) {
				args->word--;
				break;
			}
			args->operand[args->operands++] = word;
			continue;
		}
		row = find_option(args->command, word);
		if (row)
			return take_option(args, row, word);
		take_other(args, word);
	}
	while (!args->over && *args->word)
		args->operand[args->operands++] = *args->word++;
	return NULL;
}

bool args_end(struct args *args, int least, int most)
{
	if (!args->over && (args->operands < least || args->operands > most)) {
		help_complain(args->command);
		stop(args, CLI_USAGE);
	}
	args->operand[args->over ? 0 : args->operands] = NULL;
	return !args->over;
}

bool args_number(struct args *args, unsigned long long low, unsigned long long high,
                 unsigned long long *number)
{
	char *end;

	errno = 0;
	*number = strtoull(args->value, &end, 0);
	if (*args->value >= '0' && *args->value <= '9' && !*end && !errno && *number >= low &&
	    *number <= high)
		return true;
	cli_error("\"%s\" is not a number from %llu to %llu", args->value, low, high);
	stop(args, CLI_USAGE);
	return false;
}
