/* SPDX-License-Identifier: MIT
 *
 * cli-graft-overlay.c - where the overlay is installed.
 */
#include "cli/graft.h"

#include "cli/cli.h"

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

static bool is_overlay(const char *directory)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < GRAFT_FILES; i++)
		if (!graft_join(path, directory, graft_files[i].overlay, "") ||
		    access(path, R_OK) != 0)
			return false;
	return true;
}

/* ../share/arenite/graft from the directory of this program, so that an installation can be
 * moved */
static bool beside_program(char directory[PATH_MAX])
{
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (length <= 0)
		return false;
	program[length] = '\0';
	*strrchr(program, '/') = '\0';
	return graft_join(directory, program, "../share/arenite/graft", "");
}

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
