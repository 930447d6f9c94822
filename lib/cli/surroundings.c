/* SPDX-License-Identifier: MIT
 *
 * surroundings.c - reads LD_PRELOAD, and the files of the control groups of versions 1 and 2.
 */
#include "cli/surroundings.h"

#include "base/base.h"
#include "base/option.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell_if_missing(const char *entry, size_t length)
{
	char path[PATH_MAX];

	if (length >= sizeof(path))
		return;
	memcpy(path, entry, length);
	path[length] = '\0';
	/* a plain name is looked for by ld.so, and so is a path with a variable such as $LIB */
	if (!strchr(path, '/') || strchr(path, '$') || access(path, R_OK) == 0)
		return;
	printf("LD_PRELOAD: %s is not there\n  ld.so says so in every process and goes on "
	       "without it\n",
	       path);
}

void surroundings_tell_preload(void)
{
	const char *entry = getenv("LD_PRELOAD");

	for (; entry && *entry; entry += strspn(entry, " :")) {
		size_t length = strcspn(entry, " :");

		tell_if_missing(entry, length);
		entry += length;
	}
}

/* ---- control groups -------------------------------------------------------------------------- */

/* A test may put another root in the place of the system's. */
static FILE *open_below_root(const char *path)
{
	const char *root = getenv("ARN_TEST_ROOT");
	char whole[2 * PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s", root ? root : "", path);
	return fopen(whole, "re");
}

/* The number in a file of a control group; SIZE_MAX: there is no such file, or it has no number. */
static size_t read_limit(const char *mount, const char *group, const char *name)
{
	char path[2 * PATH_MAX];
	unsigned long long limit = SIZE_MAX;
	FILE *file;

	snprintf(path, sizeof(path), "%s%s/%s", mount, group, name);
	file = open_below_root(path);
	if (!file)
		return SIZE_MAX;
	if (fscanf(file, "%llu", &limit) != 1)
		limit = SIZE_MAX;
	fclose(file);
	return (size_t)limit;
}

/* The least limit of a group and of all that are above it; the group's name is cut off for that. */
static size_t least_limit(const char *mount, char *group, const char *name)
{
	size_t least = read_limit(mount, "", name);

	for (char *slash; (slash = strrchr(group, '/')) != NULL; *slash = '\0')
		least = min_size(least, read_limit(mount, group, name));
	return least;
}

/*
 * A line of /proc/self/cgroup is NUMBER:CONTROLLERS:GROUP; version 2 has the number 0 and no
 * controllers.
 */
static size_t limit_of_line(char *line)
{
	char *controllers = strchr(line, ':'), *group;

	if (!controllers || !(group = strchr(controllers + 1, ':')))
		return SIZE_MAX;
	*controllers++ = *group++ = '\0';
	group[strcspn(group, "\n")] = '\0';
	if (strcmp(line, "0") == 0 && !*controllers)
		return least_limit("/sys/fs/cgroup", group, "memory.max");
	if (strstr(controllers, "memory"))
		return least_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
	return SIZE_MAX;
}

static size_t cgroup_limit(void)
{
	FILE *file = open_below_root("/proc/self/cgroup");
	char line[PATH_MAX + 64];
	size_t least = SIZE_MAX;

	while (file && fgets(line, sizeof(line), file))
		least = min_size(least, limit_of_line(line));
	if (file)
		fclose(file);
	return least;
}

void surroundings_tell_cgroup(void)
{
	const size_t limit = cgroup_limit(),
		     physical = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);

	if (limit >= physical && !getenv("ARN_TEST_ROOT"))
		return;
	if (limit >= SIZE_MAX / 4)
		return;
	printf("control group: memory is limited to %zuM\n", limit / MIB);
	if (option(OPTION_LIMIT) && option(OPTION_LIMIT) < limit)
		puts("  ARENITE_LIMIT is below it: a request gets MemoryError before the kernel "
		     "ends the process");
	else
		printf("  beyond it the kernel ends the process; with ARENITE_LIMIT=%zuM, for "
		       "example, a request gets MemoryError before\n",
		       limit / MIB * 3 / 4);
}
