/* SPDX-License-Identifier: MIT
 *
 * tree.h - a folder of files that stand for the kernel's /proc and /sys (lib/os/cgroup.h).
 */
#ifndef ARN_T_TREE_H
#define ARN_T_TREE_H

#include "support/core.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

static char tree[] = "/tmp/arenite-tree-XXXXXX";

static void tree_make(void)
{
	if (!mkdtemp(tree))
		bail("mkdtemp");
}

/* Write to a file of the tree, as open with these flags besides, and make the folders above it. */
static void tree_write(const char *name, const char *text, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s%s", tree, name);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		bail("cannot write %s", path);
	close(fd);
}

static void tree_put(const char *name, const char *text)
{
	tree_write(name, text, O_TRUNC);
}

static inline void tree_move(const char *name, const char *other)
{
	char from[PATH_MAX], to[PATH_MAX];

	snprintf(from, sizeof(from), "%s%s", tree, name);
	snprintf(to, sizeof(to), "%s%s", tree, other);
	if (rename(from, to) != 0)
		bail("cannot move %s", from);
}

static void tree_remove(void)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -rf '%s'", tree);
	if (system(command) != 0)
		bail("cannot remove the tree");
}

#endif
