/* SPDX-License-Identifier: MIT
 *
 * program.c - finds programs in PATH and interpreters in the first lines of scripts.
 */
#include "cli/program.h"

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where programs are looked for: PATH, and without it what execvp(3) takes instead. */
static const char *search_path(void)
{
	static char standard[PATH_MAX];
	const char *path = getenv("PATH");

	if (path)
		return path;
	return confstr(_CS_PATH, standard, sizeof(standard)) ? standard : "/bin:/usr/bin";
}

bool program_find(char path[PATH_MAX], const char *name)
{
	const char *directory = search_path();

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

bool program_self(char path[PATH_MAX])
{
	const char *started = (const char *)getauxval(AT_EXECFN);

	return realpath("/proc/self/exe", path) || (started && realpath(started, path));
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

bool program_is_called_python(const char *path)
{
	return strncmp(cli_base_name(path), "python", strlen("python")) == 0;
}

/* A Python that is linked with libpython and one that is not both have this name in their file. */
static bool has_main_of_python(const char *path)
{
	static const char name[] = "Py_BytesMain";
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *bytes = MAP_FAILED;
	bool found = false;

	if (file >= 0 && fstat(file, &status) == 0 && status.st_size > 4)
		bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (file >= 0)
		close(file);
	if (bytes == MAP_FAILED)
		return false;
	found = memcmp(bytes, "\177ELF", 4) == 0 &&
	        memmem(bytes, (size_t)status.st_size, name, sizeof(name));
	munmap(bytes, (size_t)status.st_size);
	return found;
}

bool program_is_python(const char *path)
{
	char real[PATH_MAX];

	return program_is_called_python(path) ||
	       (realpath(path, real) && program_is_called_python(real)) || has_main_of_python(path);
}
