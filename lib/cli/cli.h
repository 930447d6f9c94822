/* SPDX-License-Identifier: MIT
 *
 * cli.h - the subcommands of the command `arenite`.  argv[0] is the subcommand's name; what they
 * return is the exit status: 0 done, 1 failed (one line on stderr says why), 2 wrong usage.
 */
#ifndef ARN_CLI_H
#define ARN_CLI_H

enum { CLI_OK, CLI_FAILED, CLI_USAGE };

/* A line on stderr: "arenite: ..." */
__attribute__((format(printf, 1, 2))) void cli_error(const char *format, ...);

/* CLI_OK, or CLI_FAILED and a line when what was printed could not be written: a full disk, a
 * closed pipe. */
int cli_flushed(void);

int doctor_main(int argc, char **argv);
int graft_main(int argc, char **argv);
int run_main(int argc, char **argv);
int stress_main(int argc, char **argv);

#endif
