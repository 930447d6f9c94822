/* SPDX-License-Identifier: MIT
 *
 * fork - glibc's guarantee: the child of a process with threads at work may call malloc, whatever
 * those threads were doing.  Here it does so in each child, starts threads, and forks again; also
 * between the handlers of pthread_atfork, and in the child of a vfork.
 */
#include "mix.h"
#include "support/probe.h"
#include "support/tap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

enum { BUSY = 8 };

static atomic_bool stop;

static void *busy(void *seed)
{
	unsigned random = (unsigned)(uintptr_t)seed * 104729 + 1;

	while (!atomic_load(&stop)) {
		mix(&random, 50);
		usleep(next(&random) % 300); /* the others are to have a processor, too */
	}
	return NULL;
}

static void *in_child(void *seed)
{
	unsigned random = (unsigned)(uintptr_t)seed * 31 + 1;

	return mix(&random, 60) ? seed : NULL;
}

/* The exit status of a child: 0 if it could allocate, start threads and fork. */
static int child(unsigned seed)
{
	unsigned random = seed + 1;
	pthread_t thread[2];
	int status = 1;
	pid_t grandchild;

	if (!mix(&random, 100))
		return 1;
	for (uintptr_t i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, in_child, (void *)(seed + i + 1)))
			return 2;
	for (unsigned i = 0; i < 2; i++) {
		void *result;

		if (pthread_join(thread[i], &result) || !result)
			return 3;
	}
	if (seed % 10 != 0)
		return 0;
	grandchild = fork();
	if (grandchild == 0)
		_exit(mix(&random, 300) ? 0 : 1);
	return waitpid(grandchild, &status, 0) == grandchild && status == 0 ? 0 : 4;
}

/* ---- handlers ---------------------------------------------------------------------------------
 */

static atomic_uint handled;

static void handler(void)
{
	unsigned random = atomic_fetch_add(&handled, 1) + 1;

	mix(&random, 20);
}

static bool can_fork;

static void forks(void)
{
	long n = tap_scale(1000), right = 0;

	if (!can_fork) {
		skip(2, "children of a process with threads do not live here");
		return;
	}
	for (long i = 0; i < n; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			tap_alarm(30);
			_exit(child((unsigned)i));
		}
		if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
			right++;
		else
			note("fork %ld: status %x, %s", i, (unsigned)status, strerror(errno));
	}
	ok(right == n, "%ld of %ld children of a process with %d busy threads", right, n, BUSY);
	ok(atomic_load(&handled) >= 2 * n, "with handlers that allocate as well");
}

/* The child of a vfork has the memory of its parent, which waits. */
static void vforks(void)
{
	long n = tap_scale(200), right = 0;

	for (long i = 0; i < n; i++) {
		int status = -1;
		pid_t pid = vfork();

		if (pid == 0) {
			unsigned random = (unsigned)i + 1;

			_exit(mix(&random, 50) ? 0 : 1);
		}
		right += pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
	}
	ok(right == n, "%ld of %ld children of a vfork", right, n);
}

int main(void)
{
	pthread_t thread[BUSY];

	pthread_atfork(handler, handler, handler);
	tap_flush();
	can_fork = probe_forks_beside_threads();
	for (uintptr_t i = 0; i < BUSY; i++)
		if (pthread_create(&thread[i], NULL, busy, (void *)(i + 1)))
			bail("pthread_create");
	forks();
	vforks();
	atomic_store(&stop, true);
	for (unsigned i = 0; i < BUSY; i++)
		pthread_join(thread[i], NULL);
	return done();
}
