/* SPDX-License-Identifier: MIT
 *
 * args.h - reads the command line of a subcommand by the table in commands.def, and prints the help
 * from it.
 *
 *	struct args args;
 *	const char *name;
 *
 *	args_begin(&args, argc, argv);
 *	while ((name = args_next(&args)))
 *		if (strcmp(name, "undo") == 0)
 *			...
 *	if (!args_end(&args, 1, 1))
 *		return args.status;
 *
 * args_next returns the options one after the other.  --help and --version are answered by it;
 * after these, and after a wrong option, for which it writes a line to stderr, it returns NULL, and
 * args_end returns false.
 */
#ifndef ARN_CLI_ARGS_H
#define ARN_CLI_ARGS_H

#include <stdbool.h>

struct args {
	char **operand; /* what is no option, in its order; valid after args_end */
	int operands;
	const char *value; /* of the option that args_next has returned; NULL: it takes none */
	int status;        /* if args_end returns false: the exit status of the command */
	/*
	 * Of a command with a row VARIABLES: takes "name" or "name=value" of an option that is in
	 * no other row; next is the word that follows it, or NULL.  false: it was wrong, and a line
	 * on stderr has said so.
	 */
	bool (*variable)(const char *flag, const char *next);

	/* for args.c alone */
	const struct row *command;
	char **word; /* the next word of the command line, which ends with NULL */
	bool over;   /* nothing more is to be done */
};

/* Begin to read a command line; argv[0] is the name of a command in the table. */
void args_begin(struct args *args, int argc, char **argv);
/*
 * The name of the next option, without dashes and in its long form, or NULL.  The result is a
 * string of the table.
 */
const char *args_next(struct args *args);
/*
 * Call it when args_next has returned NULL.  true: the command line is right and has at least
 * `least` and at most `most` operands.  false: there is nothing more to do, and status says how the
 * command ends; if the command line was wrong, one line on stderr has said why.
 */
bool args_end(struct args *args, int least, int most);

/*
 * Read the value of the present option as a whole number, which must be from low to high.  false:
 * it is none, a line on stderr has said so, and args_end is going to return false.
 */
bool args_number(struct args *args, unsigned long long low, unsigned long long high,
                 unsigned long long *number);

/* The function of the command of this name, or NULL. */
int (*args_find(const char *name))(int argc, char **argv);
/*
 * Print the list of commands, or the usage and the options of one of them.  The result is an exit
 * status.
 */
int args_print_commands(void);
int args_print_help(const char *name);
/* The same list in short, on stderr, for a command line without a command. */
void args_print_usage(void);
/* Print the version.  The result is an exit status. */
int args_print_version(void);

#endif
