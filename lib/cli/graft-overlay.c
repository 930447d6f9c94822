/* SPDX-License-Identifier: MIT
 *
 * graft-overlay.c - finds and reads the overlay: in the directory that ARENITE_GRAFT_DIR names,
 * else where it is beside this program, else where it was installed.
 */
#include "cli/graft.h"

#include "cli/cli.h"
#include "cli/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct graft_file graft_files[GRAFT_FILES] = {
	{ "Objects/mimalloc/static.c", "static.c" },
	{ "Include/internal/mimalloc/mimalloc.h", "mimalloc.h" },
	{ "Include/internal/mimalloc/mimalloc/types.h", "types.h" },
	{ "Include/internal/mimalloc/mimalloc/internal.h", "internal.h" },
};

/* Are all files of the overlay in this directory? */
static bool is_overlay(const char *directory)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < GRAFT_FILES; i++)
		if (!graft_join(path, directory, graft_files[i].overlay, "") ||
		    access(path, R_OK) != 0)
			return false;
	return true;
}

/*
 * The directory of the overlay as seen from this program: ../share/arenite/graft.  So an
 * installation can be moved.
 */
static bool beside_program(char directory[PATH_MAX])
{
	char program[PATH_MAX];

	if (!program_self(program))
		return false;
	*strrchr(program, '/') = '\0';
	return graft_join(directory, program, "../share/arenite/graft", "");
}

/*
 * A directory that the user names is the only one that is looked into.  false: the overlay is not
 * there, and a line on stderr says so.
 */
static bool find_overlay(char directory[PATH_MAX])
{
	const char *given = getenv("ARENITE_GRAFT_DIR");

	if (given && *given)
		snprintf(directory, PATH_MAX, "%s", given);
	else if (!beside_program(directory) || !is_overlay(directory))
		snprintf(directory, PATH_MAX, "%s", ARN_GRAFT_DIR);
	if (is_overlay(directory))
		return true;
	cli_error("the overlay is not in %s; set ARENITE_GRAFT_DIR", directory);
	return false;
}

bool graft_read_overlay(struct content overlay[GRAFT_FILES])
{
	char directory[PATH_MAX], path[PATH_MAX];

	if (!find_overlay(directory))
		return false;
	for (size_t i = 0; i < GRAFT_FILES; i++)
		if (!graft_join(path, directory, graft_files[i].overlay, "") ||
		    !content_read(&overlay[i], path)) {
			cli_error("cannot read %s: %s", path, strerror(errno));
			return false;
		}
	return true;
}
