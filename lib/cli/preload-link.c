/* SPDX-License-Identifier: MIT
 *
 * preload-link.c - another path for a library whose own has a blank or a colon.
 *
 * LD_PRELOAD separates its paths by these, and has no way to write one in a path.  So a symbolic
 * link to the library's directory is made in a directory of the user's: ~/.cache/arenite, or if
 * that cannot be used, arenite-UID in the directory for temporary files.  The link's name follows
 * from the directory's path, so it is made once.  It stays, because the program may start others at
 * any time, which need it as well. What the library itself needs lies beside it, and is found
 * through the link, too.
 */
#include "cli/preload.h"

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Make the directory, if it is not there.  false: it belongs to another user, or others may write
 * there, who could put a library of theirs in the place of ours.
 */
static bool own_directory(const char *path)
{
	struct stat status;

	mkdir(path, 0755);
	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
	       (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool make_link(const char *target, const char *link)
{
	char now[PATH_MAX];
	ssize_t length;

	if (symlink(target, link) == 0)
		return true;
	length = readlink(link, now, sizeof(now));
	return length == (ssize_t)strlen(target) && memcmp(now, target, (size_t)length) == 0;
}

/* Let the library of this path be reached by a link in this directory, and store the new path. */
static bool link_in(const char *directory, char path[PATH_MAX])
{
	char *name = strrchr(path, '/'), link[PATH_MAX], through[PATH_MAX];
	bool done;

	*name = '\0';
	done = preload_can_hold(directory) && own_directory(directory) &&
	       snprintf(link, PATH_MAX, "%s/%016llx", directory,
	                (unsigned long long)hash_bytes(path, strlen(path))) < PATH_MAX &&
	       make_link(path, link);
	*name = '/';
	if (!done || snprintf(through, PATH_MAX, "%s%s", link, name) >= PATH_MAX)
		return false;
	strcpy(path, through);
	return true;
}

/* The directory of the user's caches, which is made if it is not there. */
static bool cache_directory(char path[PATH_MAX])
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int length = 0;

	if (cache && *cache == '/')
		length = snprintf(path, PATH_MAX, "%s", cache);
	else if (home && *home == '/')
		length = snprintf(path, PATH_MAX, "%s/.cache", home);
	if (length == 0 || length >= PATH_MAX - (int)sizeof("/arenite"))
		return false;
	mkdir(path, 0700);
	strcat(path, "/arenite");
	return true;
}

static bool temporary_directory(char path[PATH_MAX])
{
	const char *temporary = getenv("TMPDIR");

	if (!temporary || *temporary != '/')
		temporary = "/tmp";
	return snprintf(path, PATH_MAX, "%s/arenite-%u", temporary, (unsigned)geteuid()) < PATH_MAX;
}

bool preload_link(char path[PATH_MAX])
{
	char directory[PATH_MAX];

	if (cache_directory(directory) && link_in(directory, path))
		return true;
	return temporary_directory(directory) && link_in(directory, path);
}
