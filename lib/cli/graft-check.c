/* SPDX-License-Identifier: MIT
 *
 * graft-check.c - does the overlay have all that a source tree uses of mimalloc?  This decides
 * whether a tree is grafted, and not its version, because CPython changes what it bundles within a
 * release series.
 *
 * The tree is walked twice.  The first walk reads the headers, for members of structs whose type is
 * mimalloc's: other files reach fields of mimalloc's structs through them.  The second walk reads
 * all sources for names, headers and fields (graft-uses.h).  Then each is looked for in the
 * overlay.
 */
#include "cli/graft.h"

#include "cli/graft-uses.h"
#include "cli/cli.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const folders[] = { "Include", "Modules",  "Objects",
	                               "Parser",  "Programs", "Python" };

/*
 * The state of a walk over the tree, since nftw passes no argument on.  `found` is what the tree
 * uses; `shared` are the members that are known from headers and from the overlay.
 */
static struct uses found, shared;
static size_t root_length;
static bool read_holders;

static bool is_source(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0);
}

/*
 * Does the file come with CPython's mimalloc?  Such a file is replaced, or is used only by files
 * that are replaced, so what it uses does not matter.
 */
static bool is_bundled(const char *name)
{
	return strncmp(name, "Objects/mimalloc/", 17) == 0 ||
	       strncmp(name, "Include/internal/mimalloc/", 26) == 0;
}

/* A quick look, so that most of the tree's files need not be cut into words. */
static bool concerns_mimalloc(const char *text)
{
	return strstr(text, "mi_") || strstr(text, "MI_") || strstr(text, "mimalloc");
}

/*
 * Add what one source uses.  Each use points to the file's name, which is freed only if nothing was
 * found.  false: there is no memory.
 */
static bool add_uses(const char *text, const char *name)
{
	size_t before = found.count + shared.count;
	char *kept = strdup(name);
	bool ok = kept != NULL;

	if (read_holders)
		ok = ok && uses_add_holders(&shared, text, kept);
	else
		ok = ok && uses_add(&found, &shared, text, kept);
	if (found.count + shared.count == before)
		free(kept);
	return ok;
}

static bool read_source(const char *path, const char *name)
{
	struct content content;
	bool ok;

	if (!content_read(&content, path))
		return false;
	ok = !concerns_mimalloc(content.bytes) || add_uses(content.bytes, name);
	free(content.bytes);
	return ok;
}

/* Called by nftw for each file.  1: the walk ends, and a line on stderr has said why. */
static int visit(const char *path, const struct stat *status, int type, struct FTW *place)
{
	const char *name = path + root_length + 1;

	(void)status;
	(void)place;
	if (type != FTW_F || !is_source(path) || is_bundled(name))
		return 0;
	if (read_holders && path[strlen(path) - 1] != 'h')
		return 0;
	if (read_source(path, name))
		return 0;
	cli_error("cannot read %s", path);
	return 1;
}

static bool walk(const char *tree, bool holders)
{
	char path[PATH_MAX];

	root_length = strlen(tree);
	read_holders = holders;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (!graft_join(path, tree, folders[i], "")) {
			cli_error("%s: the path is too long", tree);
			return false;
		}
		if (nftw(path, visit, 16, FTW_PHYS) > 0)
			return false;
	}
	return true;
}

/*
 * Read what the overlay offers: the members of its structs go to `shared`, all its names to
 * `names`.
 */
static bool read_overlay(const struct content overlay[GRAFT_FILES], struct uses *names)
{
	bool ok = true;

	for (size_t i = 0; ok && i < GRAFT_FILES; i++)
		ok = uses_add(names, &shared, overlay[i].bytes, graft_files[i].overlay) &&
		     uses_add_members(&shared, overlay[i].bytes, graft_files[i].overlay);
	return ok;
}

/* Is a header of this name part of the overlay? */
static bool is_replaced(const char *header)
{
	for (size_t i = 0; i < GRAFT_FILES; i++)
		if (strcmp(graft_files[i].overlay, header) == 0)
			return true;
	return false;
}

/*
 * What the list says of a use: "overlay" and "CPython" tell who has it (a macro may be defined by
 * CPython itself), and one that is "MISSING" keeps the graft from being made.
 */
static const char *judge(const struct use *use, const struct uses *names)
{
	if (use->kind == USE_HEADER)
		return is_replaced(use->name) ? "overlay" : "MISSING";
	if (use->kind == USE_FIELD)
		return uses_find(&shared, USE_MEMBER, use->name) ? "overlay" : "MISSING";
	if (uses_find(names, USE_NAME, use->name) || uses_find(names, USE_DEFINED, use->name))
		return "overlay";
	return uses_find(&found, USE_DEFINED, use->name) ? "CPython" : "MISSING";
}

static bool is_missing(const struct use *use, const struct uses *names)
{
	return strcmp(judge(use, names), "MISSING") == 0;
}

static const char *kind_name(enum use_kind kind)
{
	return kind == USE_FIELD ? "field" : kind == USE_HEADER ? "header" : "name";
}

static bool is_same(const struct use *a, const struct use *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(kind_name(a->kind), kind_name(b->kind)) == 0;
}

/*
 * Is this the first of several uses of the same name and kind?  The list is sorted by name, so they
 * are close together, perhaps with uses of another kind in between.
 */
static bool is_first(const struct use *use)
{
	for (const struct use *u = use; u-- > found.use && strcmp(u->name, use->name) == 0;)
		if (is_same(u, use))
			return false;
	return true;
}

/* Print where it is used: the first line in each file. */
static void print_places(const struct use *use)
{
	const char *file = "";

	for (const struct use *u = use;
	     u < found.use + found.count && strcmp(u->name, use->name) == 0; u++) {
		if (is_same(u, use) && strcmp(u->file, file) != 0)
			printf(" %s:%u", u->file, u->line);
		file = is_same(u, use) ? u->file : file;
	}
	putchar('\n');
}

static void print_list(const char *tree, const struct uses *names, size_t count, size_t missing)
{
	for (size_t i = 0; i < found.count; i++) {
		if (!is_first(&found.use[i]))
			continue;
		printf("%-7s  %-6s  %-38s ", judge(&found.use[i], names),
		       kind_name(found.use[i].kind), found.use[i].name);
		print_places(&found.use[i]);
	}
	printf("%s: %zu names, fields and headers of mimalloc are used outside it; ", tree, count);
	if (missing)
		printf("the overlay lacks %zu of them\n", missing);
	else
		puts("the overlay has them all");
}

/* One line on stderr that names what is missing, as far as it fits. */
static void print_missing(const char *tree, const struct uses *names)
{
	char list[1024] = "";
	size_t length = 0;

	for (size_t i = 0; i < found.count && length < sizeof(list); i++) {
		const struct use *use = &found.use[i];

		if (is_first(use) && is_missing(use, names))
			length += (size_t)snprintf(list + length, sizeof(list) - length,
			                           "%s%s (%s:%u)", length ? ", " : "", use->name,
			                           use->file, use->line);
	}
	cli_error("%s uses what the overlay does not have: %s; arenite graft --check lists it all",
	          tree, list);
}

bool graft_check(const char *tree, const struct content overlay[GRAFT_FILES], bool list)
{
	static struct uses names;
	size_t count = 0, missing = 0;

	if (!read_overlay(overlay, &names)) {
		cli_error("no memory");
		return false;
	}
	if (!walk(tree, true) || !walk(tree, false))
		return false;
	uses_sort(&found);
	for (size_t i = 0; i < found.count; i++) {
		count += is_first(&found.use[i]);
		missing += is_first(&found.use[i]) && is_missing(&found.use[i], &names);
	}
	if (list)
		print_list(tree, &names, count, missing);
	else if (missing)
		print_missing(tree, &names);
	return missing == 0;
}
