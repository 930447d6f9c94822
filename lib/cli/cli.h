/* SPDX-License-Identifier: MIT
 *
 * cli.h - the subcommands of the command `arenite`.
 *
 * Each gets the rest of the command line, with its own name in argv[0], and returns the exit status
 * of the command: 0 it is done, 1 it has failed and one line on stderr says why, 2 wrong usage.
 * The command has one thread.
 */
#ifndef ARN_CLI_H
#define ARN_CLI_H

enum { CLI_OK, CLI_FAILED, CLI_USAGE };

/* Write one line to stderr that begins with "arenite: ". */
__attribute__((format(printf, 1, 2))) void cli_error(const char *format, ...);

/*
 * Write out what is still in stdout's buffer.  CLI_OK; or CLI_FAILED, after a line on stderr, if
 * something that was printed could not be written.
 */
int cli_flushed(void);

/* The last part of a path. */
const char *cli_base_name(const char *path);
/* Bytes as MiB. */
static inline double cli_mib(double bytes)
{
	return bytes / (1024 * 1024);
}

/* The commands of commands.def, in the order of the alphabet. */
int doctor_main(int argc, char **argv);
int graft_main(int argc, char **argv);
int help_main(int argc, char **argv);
int metrics_main(int argc, char **argv);
int options_main(int argc, char **argv);
int profile_main(int argc, char **argv);
int run_main(int argc, char **argv);
int stats_main(int argc, char **argv);
int stress_main(int argc, char **argv);
int top_main(int argc, char **argv);
int trim_main(int argc, char **argv);
int version_main(int argc, char **argv);

#endif
