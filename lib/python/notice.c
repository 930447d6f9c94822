/* SPDX-License-Identifier: MIT */
#include "python/notice.h"

#include "python/cpython.h"
#include "api/process.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/*
 * This may be called in the middle of a request for memory.  Writing is a point at which a thread
 * that was cancelled ends, and there it must not end: so cancellation is put off.
 */
void notice(const char *why)
{
	int cancel;

	if (!process_is_first_python())
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	dprintf(STDERR_FILENO,
	        "arenite: Python %s: objects stay with CPython: %s; a newer Arenite may serve "
	        "them, and "
	        "ARENITE_DOMAINS=mem leaves them without a word\n",
	        cpython.version, why);
	pthread_setcancelstate(cancel, NULL);
}
