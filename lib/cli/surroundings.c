/* SPDX-License-Identifier: MIT
 *
 * surroundings.c - reads LD_PRELOAD, and tells the limits of memory and where they come from.
 */
#include "cli/surroundings.h"

#include "arena/budget.h"
#include "base/base.h"
#include "base/option.h"
#include "os/cgroup.h"

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

/* ---- the limits of memory -------------------------------------------------------------------- */

/* To the nearest one: percentages are rarely whole. */
static size_t in_mib(size_t bytes)
{
	return bytes / MIB + (bytes % MIB >= MIB / 2);
}

/* What the level lets be in use, with the file that says so.  false: it cannot be read. */
static bool tell_level(unsigned level, struct cgroup_use *use)
{
	if (!cgroup_read(level, use))
		return false;
	if (cgroup_kind(level) == CGROUP_MACHINE)
		printf("machine: memory is %zuM, by %s; %zuM is in use\n", in_mib(use->limit),
		       cgroup_name(level), in_mib(use->used));
	else
		printf("control group: memory is limited to %zuM, by %s/%s; %zuM is in use\n",
		       in_mib(use->limit), cgroup_name(level), use->limit_file, in_mib(use->used));
	return true;
}

/* What the percentages are of the level. */
static void tell_percentages(const struct cgroup_use *use)
{
	size_t hard = option_percent(OPTION_LIMIT), soft = budget_soft_percent();

	if (soft)
		printf("  %s%zu%%: Python is asked to collect from %zuM on\n",
		       option_percent(OPTION_SOFT_LIMIT) ? "ARENITE_SOFT_LIMIT="
		                                         : "without ARENITE_SOFT_LIMIT ",
		       soft, in_mib(use->limit / 100 * soft));
	if (hard)
		printf("  ARENITE_LIMIT=%zu%%: requests get MemoryError from %zuM on, before the "
		       "kernel ends the process\n",
		       hard, in_mib(use->limit / 100 * hard));
}

/* A group with a limit of the kernel, and no limit of ours that is about it. */
static void advise(const struct cgroup_use *use)
{
	if (option_limit() && option_limit() < use->limit)
		puts("  ARENITE_LIMIT is below it: a request gets MemoryError before the kernel "
		     "ends the process, unless others than Arenite take the rest");
	else if (!option_percent(OPTION_LIMIT))
		puts("  beyond it the kernel ends the process; with ARENITE_LIMIT=90% a request "
		     "gets MemoryError before");
}

/* The machine's memory matters only if there are percentages of it. */
static void tell_levels(void)
{
	bool percent = budget_soft_percent() || option_percent(OPTION_LIMIT);
	struct cgroup_use use;

	for (unsigned level = 0; level < cgroup_levels(); level++) {
		bool group = cgroup_kind(level) != CGROUP_MACHINE;

		if ((!group && !percent) || !tell_level(level, &use))
			continue;
		tell_percentages(&use);
		if (group)
			advise(&use);
	}
	if (percent && cgroup_levels() == 0)
		puts("memory: neither a limit of the kernel nor the machine's memory is known, so "
		     "percentages limit nothing");
}

/* Limits that are sizes are not compared with a limit of the kernel. */
static void tell_sizes(void)
{
	struct cgroup_use use;

	if (option_limit())
		printf("ARENITE_LIMIT=%zuM: requests get MemoryError when so much is in Arenite's "
		       "pools\n",
		       in_mib(option_limit()));
	if (!option(OPTION_SOFT_LIMIT))
		return;
	printf("ARENITE_SOFT_LIMIT=%zuM: Python is asked to collect when so much is counted by ",
	       in_mib(option(OPTION_SOFT_LIMIT)));
	if (cgroup_read_own(&use))
		printf("%s%s%s\n", cgroup_own_name(), use.used_file ? "/" : "",
		       use.used_file ? use.used_file : "");
	else
		puts("the kernel; but it is not known where, so it limits nothing");
}

void surroundings_tell_limits(void)
{
	cgroup_find(option_cgroup_tree());
	tell_levels();
	tell_sizes();
}
