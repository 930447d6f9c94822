/* SPDX-License-Identifier: MIT */
#include "notice.h"

#include "cpython.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The process that speaks.  No option of ours begins like this, so an older library does not complain about it. */
#define MARK "_ARENITE_FIRST_PYTHON"

void notice_begin(void)
{
	char number[24];

	snprintf(number, sizeof(number), "%ld", (long)getpid());
	setenv(MARK, number, 0);
}

static bool is_first(void)
{
	const char *owner = getenv(MARK);

	return !owner || strtol(owner, NULL, 10) == (long)getpid();
}

void notice(const char *why)
{
	if (is_first())
		dprintf(STDERR_FILENO,
			"arenite: Python %s: objects stay with CPython: %s; a newer Arenite may serve them, and "
			"ARENITE_DOMAINS=mem leaves them without a word\n",
			cpython.version, why);
}
