/* SPDX-License-Identifier: MIT
 *
 * again.h - a test that runs in several processes, since options are read at the start of one: the
 * first has other options, and so may children.
 */
#ifndef ARN_T_AGAIN_H
#define ARN_T_AGAIN_H

#include "support/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Start this program again with that much kept, and say nothing.  Its status, as waitpid gives it;
 * -1: it could not be started. */
static inline int again_with_retain(char **argv, const char *retain, const char *percent)
{
	int status = -1;
	pid_t child;

	tap_flush();
	child = fork();
	if (child == 0) {
		setenv("ARENITE_RETAIN", retain, 1);
		setenv("ARENITE_RETAIN_PERCENT", percent, 1);
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	return status;
}

#endif
