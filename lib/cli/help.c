/* SPDX-License-Identifier: MIT
 *
 * help.c - prints what commands.def says.
 */
#include "cli/help.h"

#include "cli/args.h"
#include "cli/cli.h"
#include "base/option.h"

#include <arenite/arenite.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The column in which meanings begin. */
enum { MEANING = 28 };

static bool has_options(const struct row *command)
{
	return command[1].kind > ROW_COMMAND;
}

static void add_usage(char *line, size_t size, const struct row *command)
{
	snprintf(line, size, "arenite %s%s%s%s", command->name,
	         has_options(command) ? " [OPTION...]" : "", *command->value ? " " : "",
	         command->value);
}

void help_complain(const struct row *command)
{
	char line[160];

	add_usage(line, sizeof(line), command);
	cli_error("usage: %s", line);
}

/* A word and its meaning; the meaning is on a line of its own if the word is long. */
static void print_pair(FILE *file, const char *word, const char *meaning)
{
	if (strlen(word) + 2 > MEANING - 1)
		fprintf(file, "  %s\n%*s%s\n", word, MEANING, "", meaning);
	else
		fprintf(file, "  %-*s%s\n", MEANING - 2, word, meaning);
}

static void print_commands(FILE *file)
{
	fputs("usage: arenite COMMAND ...\n", file);
	for (const struct row *row = rows; row->kind; row++)
		if (row->kind == ROW_COMMAND)
			print_pair(file, row->name, row->meaning);
}

int args_print_commands(void)
{
	print_commands(stdout);
	puts("arenite help COMMAND tells more of one; so does arenite COMMAND --help");
	return cli_flushed();
}

void args_print_usage(void)
{
	print_commands(stderr);
}

static void print_option(const struct row *row)
{
	char word[80], letter[8] = "";

	if (*row->letter)
		snprintf(letter, sizeof(letter), "-%s, ", row->letter);
	snprintf(word, sizeof(word), "%s--%s%s%s", letter, row->name, *row->value ? "=" : "",
	         row->value);
	print_pair(stdout, word, row->meaning);
}

/* One option of arenite(7) as a flag: its name in small letters, with dashes. */
static void print_variable(enum option option)
{
	char word[80];
	size_t i = 2;

	strcpy(word, "--");
	for (const char *name = option_name(option); *name; name++)
		word[i++] = (char)(*name == '_' ? '-' : tolower((unsigned char)*name));
	snprintf(word + i, sizeof(word) - i, "=VALUE");
	print_pair(stdout, word, option_range(option));
}

static void print_variables(const struct row *row)
{
	printf("  and %s:\n", row->meaning);
	for (enum option option = 0; option < OPTIONS; option++)
		print_variable(option);
	puts("What these do: arenite options");
}

int args_print_help(const char *name)
{
	const struct row *row = row_find(name);
	char line[160];

	if (!row) {
		cli_error("%s is not a command; see arenite help", name);
		return CLI_USAGE;
	}
	add_usage(line, sizeof(line), row);
	printf("usage: %s\n%c%s.\n", line, toupper((unsigned char)*row->meaning), row->meaning + 1);
	for (row++; row->kind > ROW_COMMAND; row++)
		if (row->kind == ROW_VARIABLES)
			print_variables(row);
		else
			print_option(row);
	return cli_flushed();
}

int args_print_version(void)
{
	printf("arenite %s\n", arn_version());
	return cli_flushed();
}
