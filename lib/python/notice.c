/* SPDX-License-Identifier: MIT */
#include "notice.h"

#include "cpython.h"

#include <pthread.h>
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

/* It may be said in the middle of a request, where a thread that was told to end must not end. */
void notice(const char *why)
{
	int cancel;

	if (!is_first())
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	dprintf(STDERR_FILENO,
		"arenite: Python %s: objects stay with CPython: %s; a newer Arenite may serve them, and "
		"ARENITE_DOMAINS=mem leaves them without a word\n",
		cpython.version, why);
	pthread_setcancelstate(cancel, NULL);
}
