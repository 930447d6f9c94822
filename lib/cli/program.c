/* SPDX-License-Identifier: MIT
 *
 * program.c - finds programs in PATH and interpreters in the first lines of scripts.
 */
#include "cli/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool program_find(char path[PATH_MAX], const char *name)
{
	const char *directory = getenv("PATH");

	if (strchr(name, '/'))
		return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX && access(path, X_OK) == 0;
	for (; directory && *directory; directory += *directory == ':') {
		size_t length = strcspn(directory, ":");

		snprintf(path, PATH_MAX, "%.*s/%s", (int)length, directory, name);
		if (access(path, X_OK) == 0)
			return true;
		directory += length;
	}
	errno = ENOENT;
	return false;
}

/*
 * In "#!/usr/bin/env -S VAR=1 python3 -u" the first word that is neither a flag of env nor a
 * variable is the interpreter.
 */
bool program_of_script(const char *path, char interpreter[PATH_MAX])
{
	char line[PATH_MAX] = "", *word, *rest;
	FILE *file = fopen(path, "r");
	bool is_script = file && fgets(line, sizeof(line), file) && strncmp(line, "#!", 2) == 0;

	if (file)
		fclose(file);
	if (!is_script || !(word = strtok_r(line + 2, " \t\n", &rest)))
		return false;
	if (strcmp(strrchr(word, '/') ? strrchr(word, '/') : word, "/env") == 0)
		while ((word = strtok_r(NULL, " \t\n", &rest)) &&
		       (*word == '-' || strchr(word, '=')))
			;
	return word && program_find(interpreter, word);
}
