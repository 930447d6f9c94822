/* SPDX-License-Identifier: MIT
 *
 * probe.h - what a test needs of the system and an emulator may lack.  Each is tried, and where it
 * is missing, the test skips what depends on it.
 *
 * qemu 7, when it emulates a process (t/cross/cross.sh), has none of them: statm and smaps are
 * those of qemu itself, in pages of the machine below; it does not pass on limits of the address
 * space, nor refuse advice; it has no process_vm_readv; and it does not outlive the fork of a busy
 * process.
 */
#ifndef ARN_T_PROBE_H
#define ARN_T_PROBE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROBED = 64 }; /* pages */

static inline char *probe_map(size_t pages)
{
	char *at = mmap(NULL, pages * (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static inline void probe_unmap(char *at, size_t pages)
{
	munmap(at, pages * (size_t)sysconf(_SC_PAGESIZE));
}

/* The sizes of all mappings, as /proc/self/maps has them, in pages. */
static inline long probe_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to, sum = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2 && from >> 48 == 0)
			sum += to - from;
	if (maps)
		fclose(maps);
	return (long)(sum / (unsigned long)sysconf(_SC_PAGESIZE));
}

/* Do statm and its like in /proc/self tell about this process?  Then statm says as much as maps,
 * which an emulator translates. */
static inline bool probe_own_proc(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	long pages = 0, maps = probe_maps();
	bool read = statm && fscanf(statm, "%ld", &pages) == 1;

	if (statm)
		fclose(statm);
	return read && maps - pages < PROBED && pages - maps < PROBED;
}

/* Is advice about what is not mapped refused? */
static inline bool probe_refuses_advice(void)
{
	char *at = probe_map(1);

	probe_unmap(at, 1);
	return madvise(at, (size_t)sysconf(_SC_PAGESIZE), MADV_DONTNEED) != 0;
}

/* Can the process have the kernel read its own memory? */
static inline bool probe_reads_itself(void)
{
	char from = 1, to = 0;
	struct iovec here = { &to, 1 }, there = { &from, 1 };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1 && to == 1;
}

/* Does a limit of the address space limit it?  Tried in a child. */
static inline bool probe_limits_space(void)
{
	const struct rlimit none = { 0, 0 };
	int status = 1;
	pid_t child = fork();

	if (child == 0)
		_exit(setrlimit(RLIMIT_AS, &none) != 0 || probe_map(1) != NULL);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static inline void *probe_nothing(void *arg)
{
	return arg;
}

static inline void *probe_spin(void *enough)
{
	while (!atomic_load((atomic_bool *)enough))
		probe_unmap(probe_map(1), 1);
	return NULL;
}

static inline int probe_child(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, probe_nothing, NULL) != 0 ||
	       pthread_join(thread, NULL) != 0;
}

/* Do the children of a process with a busy thread outlive its forks, and may they start threads? */
static inline bool probe_forks_beside_threads(void)
{
	atomic_bool enough = false;
	bool outlives = true;
	pthread_t thread;
	int status;

	if (pthread_create(&thread, NULL, probe_spin, &enough) != 0)
		return false;
	for (unsigned i = 0; i < 10 && outlives; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(probe_child());
		outlives = waitpid(child, &status, 0) == child && status == 0;
	}
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	return outlives;
}

#endif
