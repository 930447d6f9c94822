/* SPDX-License-Identifier: MIT
 *
 * probe.h - for `doctor`: runs an interpreter in this process's environment, with a small program
 * that tells about it, and reads what Arenite's statistics say of that process.
 */
#ifndef ARN_CLI_PROBE_H
#define ARN_CLI_PROBE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct probe {
	int status; /* of waitpid; 0: the program ran to its end */
	/* what the interpreter says of itself; empty: nothing that was understood */
	char implementation[32], version[32], executable[PATH_MAX];
	bool free_threaded, gil, debug;
	bool loaded; /* our library is in its memory */
	bool memray; /* that module is installed for it */
	/* what the statistics say; empty: there were none, or they say nothing of a Python */
	bool statistics; /* there were some */
	char mem[16], object[16], reason[256];
	bool malloc_served;               /* the libc names are Arenite's */
	size_t mem_blocks, object_blocks; /* live when it ended */
	char complaint[400];              /* the end of what it wrote to stderr */
};

/*
 * Run the interpreter once and fill all of *probe.  It has 30 seconds.  false: no process could be
 * started, and errno says why.  If the program cannot be run, the child's exit status is 127.
 */
bool probe_run(struct probe *probe, const char *program);

#endif
