/* SPDX-License-Identifier: MIT
 *
 * cgroup.h - how much memory the kernel lets this process have, and how much of it is in use.
 *
 * A level is a place where the kernel counts: a control group that the process is in, its own one
 * or one of the groups above it, or the whole machine.  What the process's neighbours in a group
 * use counts there as well, and so does what the process itself has beside Arenite.  Pages of files
 * that nobody has used for a while (inactive_file) are in the kernel's count, and not in ours,
 * because the kernel takes them back before it ends a process.
 *
 * Both versions of control groups are read.  In version 2 the limit of a group is the smaller one
 * of memory.max and memory.high.  Where both versions are mounted, the memory controller belongs to
 * the one whose line in /proc/self/cgroup names it.
 *
 * Files are read by the system calls alone: without malloc, without stdio, without a cancellation
 * point.  No descriptor stays open, because programs close descriptors that they do not know.
 *
 * Synchronization   cgroup_find: once, while there is one thread. The others: any thread after
 *                   that; nothing is written any more.
 * Progress          wait-free, a dozen system calls for each level.
 */
#ifndef ARN_CGROUP_H
#define ARN_CGROUP_H

#include "base/base.h"

/* The groups nearest to the process come first; those above the eighth are not looked at. */
#define CGROUP_LEVELS 8u

enum cgroup_kind {
	CGROUP_V2,      /* a group of version 2 */
	CGROUP_V1,      /* a group of version 1 */
	CGROUP_MACHINE, /* the machine: what is used of its memory */
	CGROUP_PROCESS  /* this process: its resident pages; it has no limit of its own */
};

/* In bytes.  limit: SIZE_MAX if there is none.  The files are those of a group that say so, and
 * NULL for the machine and the process. */
struct cgroup_use {
	size_t limit, used;
	const char *limit_file, *used_file;
};

/*
 * Find the levels that have a limit.  `tree` is a folder that has proc and sys in it, as / has, and
 * "" for / itself; tests have a tree of their own.
 */
void cgroup_find(const char *tree);

/* How many levels have a limit that is below the memory of the machine.  If none has, there is one,
 * the machine; 0 if that is not known either. */
unsigned cgroup_levels(void);
/* What the level is, and the name of its folder; for the machine and the process that of a file. */
enum cgroup_kind cgroup_kind(unsigned level);
const char *cgroup_name(unsigned level);

/* What is true of this level now.  false: its files cannot be read any more. */
bool cgroup_read(unsigned level, struct cgroup_use *use);
/* The same for the group that the process is in, whether it has a limit or not, or for the process
 * itself if it is in none. */
bool cgroup_read_own(struct cgroup_use *use);
/* The name of that group's folder, or of the file of the process. */
const char *cgroup_own_name(void);

#endif
