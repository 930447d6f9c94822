/* SPDX-License-Identifier: MIT
 *
 * run.c - `arenite run`: starts a program in which every CPython runs on Arenite, as far as it can.
 * With --malloc the whole program does, whatever it is: its malloc is Arenite's.
 *
 * The program takes the place of this process.  All that it needs is in its environment, so its
 * children have it too: the libraries in LD_PRELOAD, and the options in their variables.  A flag
 * has the name of its variable: --retain-percent=5 sets ARENITE_RETAIN_PERCENT=5.
 *
 * A program that is linked with libarenite has Arenite already, in a version of its own, and gets
 * no preload but that of malloc.
 */
#include "cli/args.h"
#include "cli/preload.h"
#include "cli/program.h"
#include "cli/cli.h"
#include "base/mark.h"
#include "base/option.h"
#include "api/report.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The exit statuses that env(1), nohup(1) and the shell have for this. */
enum { CANNOT_START = 126, NOT_FOUND = 127 };

#define NAME_MAX_LENGTH 40

/* The option that is meant by a flag, and the name of its variable.  OPTIONS: there is none. */
static enum option find_option(const char *flag, char variable[NAME_MAX_LENGTH])
{
	size_t prefix = strlen("ARENITE_"), length = strcspn(flag, "=");

	if (length >= NAME_MAX_LENGTH - prefix)
		return OPTIONS;
	memcpy(variable, "ARENITE_", prefix);
	for (size_t i = 0; i < length; i++)
		variable[prefix + i] = flag[i] == '-' ? '_' : (char)toupper((unsigned char)flag[i]);
	variable[prefix + length] = '\0';
	return option_find(variable + prefix, length);
}

/*
 * A relative FILE in json:FILE is made absolute, so that it is the same file when the program has
 * changed its directory.
 */
static const char *settle_file(const char *value)
{
	static char settled[2 * PATH_MAX];
	char directory[PATH_MAX];

	if (strncmp(value, "json:", 5) != 0 || value[5] == '/' || strlen(value) > PATH_MAX)
		return value;
	if (value[5] == '-' && strchr(",", value[6])) /* json:- is stdout */
		return value;
	if (!getcwd(directory, PATH_MAX))
		return value;
	snprintf(settled, sizeof(settled), "json:%s/%s", directory, value + 5);
	return settled;
}

/* Would the program accept this value?  The value in force in this process stays as it was. */
static bool is_value(enum option option, const char *value)
{
	size_t before = option_values[option];
	bool taken = option_parse(option, value);

	option_values[option] = before;
	return taken;
}

/*
 * Say what is wrong with a flag.  A value in the word after the flag cannot be told from the name
 * of the program, so the user is asked to write it differently.
 */
static bool refuse(const char *flag, enum option option, const char *value, const char *next)
{
	const int length = (int)strcspn(flag, "=");
	struct text why = { 0 };

	if (!value && next && is_value(option, next))
		cli_error("--%.*s takes its value behind \"=\": write --%.*s=%s", length, flag,
		          length, flag, next);
	else if (!value)
		cli_error("--%.*s needs a value: --%.*s=VALUE takes %s", length, flag, length, flag,
		          option_range(option));
	else {
		option_explain(&why, option, value);
		cli_error("--%.*s: %.*s", length, flag, (int)why.length, why.bytes);
	}
	return false;
}

/*
 * Set the variable of one flag, for which the two leading dashes are left out; next is the word
 * that follows it.  A wrong name or value is a line on stderr now, and not a complaint of the
 * program later.  With --stats the program is to write the file, whoever has claimed it before
 * (mark.h).
 */
static bool set_option(const char *flag, const char *next)
{
	const char *value = strchr(flag, '=');
	char variable[NAME_MAX_LENGTH];
	enum option option = find_option(flag, variable);

	if (option == OPTIONS) {
		cli_error("run has no option --%s; see arenite help run", flag);
		return false;
	}
	if (value)
		value++;
	else if (option == OPTION_STATS || option == OPTION_VERBOSE)
		value = "1";
	if (!value || !is_value(option, value))
		return refuse(flag, option, value, next);
	if (option == OPTION_STATS) {
		value = settle_file(value);
		unsetenv(STATS_OWNER);
	}
	return setenv(variable, value, 1) == 0;
}

/* Become the program.  This returns only if that fails, with the exit status that tells why. */
static int start(char **words)
{
	int error;

	execvp(words[0], words);
	error = errno;
	if (error == ENOENT && !strchr(words[0], '/') && access(words[0], R_OK) == 0)
		cli_error("%s is not a program; did you mean: arenite run python3 %s", words[0],
		          words[0]);
	else
		cli_error("cannot run %s: %s", words[0], strerror(error));
	return error == ENOENT ? NOT_FOUND : CANNOT_START;
}

/*
 * If no process had claimed the file of the statistics, this one has, when it started (report.h).
 * It is the program that is to claim it.
 */
static void unclaim(void)
{
	const char *owner = getenv(STATS_OWNER);

	if (owner && strtol(owner, NULL, 10) == (long)getpid())
		unsetenv(STATS_OWNER);
}

/* Is the program linked with libarenite, or is it a script whose interpreter is? */
static bool has_arenite(const char *name)
{
	char path[PATH_MAX], interpreter[PATH_MAX];

	if (!program_find(path, name))
		return false;
	return program_has_arenite(program_of_script(path, interpreter) ? interpreter : path);
}

/* Set LD_PRELOAD for this program.  false: a line on stderr has said why not. */
static bool set_preload(const char *program, bool malloc_too)
{
	static struct preload_list list;

	if (malloc_too && !preload_find(&list, PRELOAD_MALLOC))
		return false;
	if (!has_arenite(program) && !preload_find(&list, PRELOAD_PYTHON))
		return false;
	if (preload_set(&list))
		return true;
	cli_error("cannot set LD_PRELOAD: no memory");
	return false;
}

/* Prepare the environment and become the program. */
int run_main(int argc, char **argv)
{
	bool malloc_too = false;
	struct args args;

	unclaim();
	args_begin(&args, argc, argv);
	args.variable = set_option;
	while (args_next(&args))
		malloc_too = true;
	if (!args_end(&args, 1, INT_MAX))
		return args.status;
	return set_preload(args.operand[0], malloc_too) ? start(args.operand) : CLI_FAILED;
}
