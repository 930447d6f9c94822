/* SPDX-License-Identifier: MIT
 *
 * profile.c - `arenite profile`: its command line.
 */
#include "cli/profile.h"

#include "cli/args.h"
#include "cli/cli.h"

#include <errno.h>
#include <string.h>

struct wish {
	const char *out;
	unsigned long long top;
	bool matrix, collapsed, diff;
};

static void take_option(struct wish *wish, struct args *args, const char *name)
{
	if (strcmp(name, "top") == 0)
		args_number(args, 1, 1000000, &wish->top);
	else if (strcmp(name, "output") == 0)
		wish->out = args->value;
	else if (strcmp(name, "matrix") == 0)
		wish->matrix = true;
	else if (strcmp(name, "collapsed") == 0)
		wish->collapsed = true;
	else
		wish->diff = true;
}

static int write_file(const struct profile *profile, const struct wish *wish)
{
	FILE *to;

	if (!wish->collapsed) {
		if (profile_write_pprof(profile, wish->out))
			return CLI_OK;
		cli_error("%s: %s", wish->out, strerror(errno ? errno : EIO));
		return CLI_FAILED;
	}
	to = fopen(wish->out, "we");
	if (to)
		profile_print_collapsed(profile, to);
	if (to && fclose(to) == 0)
		return CLI_OK;
	cli_error("%s: %s", wish->out, strerror(errno));
	return CLI_FAILED;
}

static int show(const struct profile *profile, const struct wish *wish)
{
	if (wish->out)
		return write_file(profile, wish);
	if (wish->collapsed)
		profile_print_collapsed(profile, stdout);
	else if (wish->matrix)
		profile_print_matrix(profile, wish->top);
	else
		profile_print_table(profile, NULL, wish->top);
	return cli_flushed();
}

int profile_main(int argc, char **argv)
{
	struct wish wish = { .top = 20 };
	struct profile profile, before;
	struct args args;
	const char *name;

	args_begin(&args, argc, argv);
	while ((name = args_next(&args)))
		take_option(&wish, &args, name);
	if (!args_end(&args, wish.diff ? 2 : 1, wish.diff ? 2 : 1))
		return args.status;
	if (!wish.diff)
		return profile_load(&profile, args.operand[0]) ? show(&profile, &wish) : CLI_FAILED;
	if (!profile_load(&before, args.operand[0]) || !profile_load(&profile, args.operand[1]))
		return CLI_FAILED;
	profile_print_table(&profile, &before, wish.top);
	return cli_flushed();
}
