/* SPDX-License-Identifier: MIT
 *
 * preload.c - finds libarenite-python.so and puts it into LD_PRELOAD, and sets the option of
 * AddressSanitizer that this needs.
 */
#include "cli/preload.h"

#include "cli/cli.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libarenite-python.so"

/*
 * Is the library in this directory?  Its path is stored without links and "..", since programs that
 * have the preload may change their directory.
 */
static bool find_in(char path[PATH_MAX], const char *directory)
{
	char real[PATH_MAX];

	if (!realpath(directory, real))
		return false;
	return snprintf(path, PATH_MAX, "%s/" LIBRARY, real) < PATH_MAX && access(path, R_OK) == 0;
}

/*
 * Look beside this program: first where the library is if both were built here, then where it is if
 * both were installed.  So an installation can be moved.
 */
static bool find_beside(char path[PATH_MAX])
{
	static const char *const places[] = { "lib/.libs", "../lib" };
	char program[PATH_MAX], directory[PATH_MAX + 16];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (length <= 0)
		return false;
	program[length] = '\0';
	*strrchr(program, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(directory, sizeof(directory), "%s/%s", program, places[i]);
		if (find_in(path, directory))
			return true;
	}
	return false;
}

bool preload_find(char path[PATH_MAX])
{
	if (!find_beside(path) && !find_in(path, ARN_LIB_DIR)) {
		cli_error("no " LIBRARY " beside this program, nor in " ARN_LIB_DIR);
		return false;
	}
	if (strpbrk(path, " :")) {
		cli_error(
			"%s cannot be preloaded: LD_PRELOAD takes no path with a blank or a colon",
			path);
		return false;
	}
	return true;
}

/* Is this entry of LD_PRELOAD our library, in whichever directory? */
static bool is_ours(const char *entry, size_t length)
{
	const size_t name = strlen(LIBRARY);

	return length >= name && memcmp(entry + length - name, LIBRARY, name) == 0 &&
	       (length == name || entry[length - name - 1] == '/');
}

bool preload_others(char *list, size_t size)
{
	const char *entry = getenv("LD_PRELOAD");
	size_t used = 0;

	*list = '\0';
	for (; entry && *entry; entry += strspn(entry, " :")) {
		size_t length = strcspn(entry, " :");

		if (length && !is_ours(entry, length)) {
			if (used + length + 2 > size)
				return false;
			used += (size_t)sprintf(list + used, "%s%.*s", used ? ":" : "", (int)length,
			                        entry);
		}
		entry += length;
	}
	return true;
}

/*
 * Set LD_PRELOAD to what it has without this library, and then `path`, which may be NULL.  An empty
 * list takes the variable out of the environment.
 */
static bool set_list(const char *path)
{
	const char *before = getenv("LD_PRELOAD");
	size_t size = (before ? strlen(before) : 0) + (path ? strlen(path) : 0) + 2;
	char *list = malloc(size);
	bool done;

	if (!list || !preload_others(list, size))
		return false;
	if (path && *list)
		strcat(list, ":");
	if (path)
		strcat(list, path);
	done = (*list ? setenv("LD_PRELOAD", list, 1) : unsetenv("LD_PRELOAD")) == 0;
	free(list);
	return done;
}

/*
 * A program that was built with gcc's AddressSanitizer does not start when another library comes
 * before the sanitizer's, since that library might define what the sanitizer wants to replace.
 * This library defines nothing of that kind, so the check is switched off.  If the user has set
 * that option, it stays as it is.
 */
static bool let_sanitizer_pass(void)
{
	static const char pass[] = "verify_asan_link_order=0";
	const char *before = getenv("ASAN_OPTIONS");
	char *options;
	bool done;

	if (!before || !*before)
		return setenv("ASAN_OPTIONS", pass, 1) == 0;
	if (strstr(before, "verify_asan_link_order"))
		return true;
	options = malloc(sizeof(pass) + 1 + strlen(before));
	if (!options)
		return false;
	sprintf(options, "%s:%s", pass, before);
	done = setenv("ASAN_OPTIONS", options, 1) == 0;
	free(options);
	return done;
}

bool preload_set(const char *path)
{
	return set_list(path) && let_sanitizer_pass();
}

bool preload_unset(void)
{
	return set_list(NULL);
}
