/* SPDX-License-Identifier: MIT
 *
 * cli-probe.h - runs an interpreter under the preload, with a program that tells about it, and
 * reads what Arenite's statistics say of that process: for `doctor`.
 */
#ifndef ARN_CLI_PROBE_H
#define ARN_CLI_PROBE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct probe {
	int status; /* as waitpid has it; 0: the program ran to its end */
	/* what the interpreter says of itself; empty: it said nothing that we understand */
	char implementation[32], version[32], executable[PATH_MAX];
	bool free_threaded, gil, debug, loaded; /* loaded: our library is in its memory */
	/* what the statistics say; empty: there were none, or nothing of Python in them */
	bool statistics;
	char mem[16], object[16], reason[256];
	size_t mem_blocks, object_blocks; /* alive at its end */
	char complaint[400];              /* the last of what it wrote on stderr */
};

/* In this environment; false: it could not be started, and errno says why. */
bool probe_run(struct probe *probe, const char *program);

#endif
