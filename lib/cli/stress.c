/* SPDX-License-Identifier: MIT
 *
 * stress.c - `arenite stress`: the options of the stress tool, which is in lib/stress.
 */
#include "cli/args.h"
#include "cli/cli.h"
#include "stress/stress.h"

#include <string.h>

/* Set the option that args_next has returned. */
static void set(struct args *args, const char *name)
{
	unsigned long long number;

	if (strcmp(name, "fork") == 0)
		stress.forks = true;
	else if (strcmp(name, "walk") == 0)
		stress.walks = true;
	else if (strcmp(name, "verbose") == 0)
		stress.verbose = true;
	else if (strcmp(name, "seconds") == 0 && args_number(args, 0, 1000000, &number))
		stress.seconds = (unsigned)number;
	else if (strcmp(name, "threads") == 0 && args_number(args, 1, STRESS_WORKERS, &number))
		stress.threads = (unsigned)number;
	else if (strcmp(name, "seed") == 0 && args_number(args, 0, UINT64_MAX, &number))
		stress.seed = number;
	else if (strcmp(name, "forks") == 0 && args_number(args, 0, 1000000000, &number))
		stress.storm = (size_t)number;
}

int stress_main(int argc, char **argv)
{
	struct args args;
	const char *name;

	args_begin(&args, argc, argv);
	while ((name = args_next(&args)))
		set(&args, name);
	return args_end(&args, 0, 0) ? stress_all() : args.status;
}
