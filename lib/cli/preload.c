/* SPDX-License-Identifier: MIT
 *
 * preload.c - finds the libraries and puts them into LD_PRELOAD, and sets the option of
 * AddressSanitizer that this needs.
 */
#include "cli/preload.h"

#include "cli/cli.h"
#include "cli/program.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[PRELOADS] = { "libarenite-malloc.so", "libarenite-python.so" };

/*
 * Is the library in this directory?  Its path is stored without links and "..", since programs that
 * have the preload may change their directory.
 */
static bool find_in(char path[PATH_MAX], const char *directory, const char *name)
{
	char real[PATH_MAX];

	if (!realpath(directory, real))
		return false;
	return snprintf(path, PATH_MAX, "%s/%s", real, name) < PATH_MAX && access(path, R_OK) == 0;
}

/*
 * Look beside this program: where the library is if both were built here, where it is if both were
 * installed, and where it is if both were copied to a place without links, as in a wheel.  So an
 * installation can be moved.
 */
static bool find_beside(char path[PATH_MAX], const char *name)
{
	static const char *const places[] = { "lib/.libs", "../lib/arenite", "../lib" };
	char program[PATH_MAX], directory[PATH_MAX + 16];

	if (!program_self(program))
		return false;
	*strrchr(program, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(directory, sizeof(directory), "%s/%s", program, places[i]);
		if (find_in(path, directory, name))
			return true;
	}
	return false;
}

bool preload_can_hold(const char *path)
{
	return !strpbrk(path, " :");
}

bool preload_find(struct preload_list *list, enum preload library)
{
	const char *name = names[library];
	char *path = list->path[library];

	if (!find_beside(path, name) && !find_in(path, ARN_PLUGIN_DIR, name)) {
		cli_error("no %s beside this program, nor in " ARN_PLUGIN_DIR, name);
		return false;
	}
	if (preload_can_hold(path) || preload_link(path))
		return true;
	cli_error("%s cannot be preloaded: LD_PRELOAD takes no path with a blank or a colon, and "
	          "there is no place for a link to it in ~/.cache, nor in /tmp",
	          path);
	return false;
}

/* Is this entry of LD_PRELOAD the library of this name, in whichever directory? */
static bool has_name(const char *entry, size_t length, const char *name)
{
	const size_t end = strlen(name);

	return length >= end && memcmp(entry + length - end, name, end) == 0 &&
	       (length == end || entry[length - end - 1] == '/');
}

/* Is it one of the two? */
static bool is_ours(const char *entry, size_t length)
{
	return has_name(entry, length, names[PRELOAD_MALLOC]) ||
	       has_name(entry, length, names[PRELOAD_PYTHON]);
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
 * Set LD_PRELOAD to what it has without these libraries, and then those of the list.  An empty
 * variable is taken out of the environment.
 */
static bool set_variable(const struct preload_list *list)
{
	const char *before = getenv("LD_PRELOAD");
	size_t size = (before ? strlen(before) : 0) + sizeof(*list) + PRELOADS + 1;
	char *value = malloc(size);
	bool done;

	if (!value || !preload_others(value, size))
		return false;
	for (unsigned i = 0; i < PRELOADS; i++) {
		if (*value && *list->path[i])
			strcat(value, ":");
		strcat(value, list->path[i]);
	}
	done = (*value ? setenv("LD_PRELOAD", value, 1) : unsetenv("LD_PRELOAD")) == 0;
	free(value);
	return done;
}

/*
 * A program that was built with gcc's AddressSanitizer does not start when another library comes
 * before the sanitizer's, since that library might define what the sanitizer wants to replace.
 * libarenite-python defines nothing of that kind, so the check is switched off.  If the user has
 * set that option, it stays as it is.
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

bool preload_set(const struct preload_list *list)
{
	bool may_pass = *list->path[PRELOAD_PYTHON] && !*list->path[PRELOAD_MALLOC];

	return set_variable(list) && (!may_pass || let_sanitizer_pass());
}
