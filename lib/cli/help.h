/* SPDX-License-Identifier: MIT
 *
 * help.h - the rows of commands.def, for args.c and help.c.
 */
#ifndef ARN_CLI_HELP_H
#define ARN_CLI_HELP_H

enum row_kind { ROW_END, ROW_COMMAND, ROW_OPTION, ROW_VARIABLES };
enum row_completion {
	ROW_NOTHING,
	ROW_FILE,
	ROW_DIRECTORY,
	ROW_PROGRAM,
	ROW_COMMAND_LINE,
	ROW_PROCESS,
	ROW_COMMANDS
};

/* commands.def says what these are; value has the operands of a command. */
struct row {
	enum row_kind kind;
	const char *name, *letter, *value;
	enum row_completion completion;
	const char *meaning;
	int (*run)(int argc, char **argv);
};

/* All rows, each command before its options; the last has kind ROW_END. */
extern const struct row rows[];

/* The row of the command of this name, or NULL. */
const struct row *row_find(const char *name);

/* Write the usage of a command to stderr, as one line. */
void help_complain(const struct row *command);

#endif
