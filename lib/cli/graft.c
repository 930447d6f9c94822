/* SPDX-License-Identifier: MIT
 *
 * graft.c - `arenite graft`: puts the overlay into CPython's source tree, and takes it out again.
 *
 * Four files are replaced.  Each original stays beside its file as FILE.arenite-orig until --undo.
 * Everything is read and judged before anything is written.  A file changes by rename, so it is
 * never half written, and hard links to it (in a copy of the tree made with cp -al) keep the old
 * text.  When a step fails, the steps before it are taken back.
 */
#include "cli/graft.h"

#include "cli/args.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum mode { MODE_GRAFT, MODE_CHECK, MODE_DIFF, MODE_UNDO };

/*
 * One file: what it holds now and what it is to hold.  bytes NULL: it does not exist, or is to be
 * removed.
 */
struct step {
	char path[PATH_MAX];
	struct content before, after;
};

/*
 * Make all steps or none.  If a step fails, those before it are taken back in reverse order.  Where
 * even that fails a line names the file; its original is then in the other of the two places
 * (plan_file).
 */
static bool apply(const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (content_equal(&steps[i].before, &steps[i].after) ||
		    content_put(steps[i].path, &steps[i].after))
			continue;
		cli_error("cannot write %s: %s; nothing is changed", steps[i].path,
		          strerror(errno));
		while (i-- > 0)
			if (!content_equal(&steps[i].before, &steps[i].after) &&
			    !content_put(steps[i].path, &steps[i].before))
				cli_error("cannot restore %s: %s", steps[i].path, strerror(errno));
		return false;
	}
	return true;
}

/*
 * Is this a source tree of CPython, of any version?  What it uses of mimalloc decides whether it is
 * grafted.
 */
static bool check_version(const char *tree)
{
	char path[PATH_MAX];
	struct content header;
	bool found;

	if (!graft_join(path, tree, "Include/patchlevel.h", "") || !content_read(&header, path)) {
		cli_error("%s is not a source tree of CPython: it has no Include/patchlevel.h",
		          tree);
		return false;
	}
	found = strstr(header.bytes, "PY_MAJOR_VERSION");
	free(header.bytes);
	if (!found)
		cli_error("%s: Include/patchlevel.h tells no version of Python", tree);
	return found;
}

/*
 * obmalloc.c compiles static.c as a part of itself.  The overlay gets in by this include, so a tree
 * that has no such line cannot be grafted.
 */
static bool check_include(const char *tree)
{
	char path[PATH_MAX];
	struct content source;
	bool found;

	if (!graft_join(path, tree, "Objects/obmalloc.c", "") || !content_read(&source, path)) {
		cli_error("%s is not a source tree of CPython: it has no Objects/obmalloc.c", tree);
		return false;
	}
	found = strstr(source.bytes, "\"mimalloc/static.c\"");
	free(source.bytes);
	if (!found)
		cli_error("%s: Objects/obmalloc.c does not include mimalloc/static.c", tree);
	return found;
}

/*
 * May this file be replaced?  CPython's own file may, and so may an overlay of any version.  A file
 * that somebody has changed is that person's work and is left alone by a graft; --undo replaces it
 * if CPython's original is beside it.  false: a line on stderr has said why not.
 */
static bool check_origin(const struct step *file, const struct step *saved, bool undo)
{
	enum graft_origin origin = graft_origin(&file->before);
	bool is_saved = graft_origin(&saved->before) == GRAFT_CPYTHON;

	if (origin == GRAFT_CPYTHON || (undo && is_saved))
		return true;
	if (undo && origin != GRAFT_FOREIGN)
		cli_error(
			"%s has no original beside it: take the patch back with which it was made",
			file->path);
	else if (origin == GRAFT_EDITED)
		cli_error("%s has been edited since the graft: keep what you need of it, then "
		          "arenite graft --undo",
		          file->path);
	else if (origin == GRAFT_FOREIGN)
		cli_error("%s is neither CPython's own file nor a graft", file->path);
	return !undo && origin == GRAFT_OVERLAY;
}

/*
 * Plan two steps for one file.  When grafting, the original is saved first and the file is replaced
 * second; when undoing it is the other way round.  So at any moment the original is in one of the
 * two places.  `overlay` is NULL when undoing.  false: a line on stderr has said why not.
 */
static bool plan_file(struct step step[2], const char *tree, const char *name,
                      const struct content *overlay)
{
	struct step *file = &step[overlay ? 1 : 0], *saved = &step[overlay ? 0 : 1];

	if (!graft_join(file->path, tree, name, "") ||
	    !graft_join(saved->path, tree, name, ".arenite-orig")) {
		cli_error("%s: the path is too long", tree);
		return false;
	}
	content_read(&saved->before, saved->path);
	if (!content_read(&file->before, file->path)) {
		cli_error("cannot read %s: %s", file->path, strerror(errno));
		return false;
	}
	if (!check_origin(file, saved, !overlay))
		return false;
	/* If the file is CPython's own, it came back after the graft, perhaps in a newer version:
	 * then the saved text is out of date */
	file->after = graft_origin(&file->before) == GRAFT_CPYTHON ? file->before : saved->before;
	if (overlay) {
		saved->after = file->after;
		file->after = *overlay;
	}
	return true;
}

/*
 * Say how many files have changed.  Objects of an earlier build would keep the old allocator, since
 * make does not know that they depend on these files.
 */
static void report(const char *tree, const struct step *steps, bool undo)
{
	char built[PATH_MAX];
	size_t changed = 0;

	for (size_t i = 0; i < GRAFT_FILES; i++)
		changed += !content_equal(&steps[2 * i + !undo].before,
		                          &steps[2 * i + !undo].after);
	printf("%s: %zu of %d files changed, %s\n", tree, changed, GRAFT_FILES,
	       undo ? "CPython's own allocator is back" : "Arenite is in");
	if (changed && graft_join(built, tree, "Objects/obmalloc.o", "") &&
	    access(built, F_OK) == 0)
		printf("%s holds objects of an earlier build: run make clean there\n", tree);
}

/*
 * Read the overlay, check it against the tree, and put the checksums in.  The check reads the
 * overlay without them.
 */
static bool prepare_overlay(const char *tree, struct content overlay[GRAFT_FILES], bool list)
{
	if (!graft_read_overlay(overlay) || !graft_check(tree, overlay, list))
		return false;
	for (size_t i = 0; i < GRAFT_FILES; i++)
		if (!graft_stamp(&overlay[i])) {
			cli_error("no memory");
			return false;
		}
	return true;
}

static int print_diff(const struct step *steps)
{
	for (size_t i = 0; i < GRAFT_FILES; i++)
		graft_print_diff(graft_files[i].path, &steps[2 * i + 1].before,
		                 &steps[2 * i + 1].after);
	return cli_flushed();
}

/* Everything for one tree: check it, plan all steps, and only then write. */
static int graft(const char *tree, enum mode mode)
{
	static struct content overlay[GRAFT_FILES];
	static struct step steps[2 * GRAFT_FILES];
	bool undo = mode == MODE_UNDO;

	if (!check_version(tree) || !check_include(tree))
		return CLI_FAILED;
	if (!undo && !prepare_overlay(tree, overlay, mode == MODE_CHECK))
		return CLI_FAILED;
	if (mode == MODE_CHECK)
		return cli_flushed();
	for (size_t i = 0; i < GRAFT_FILES; i++)
		if (!plan_file(&steps[2 * i], tree, graft_files[i].path, undo ? NULL : &overlay[i]))
			return CLI_FAILED;
	if (mode == MODE_DIFF)
		return print_diff(steps);
	if (!apply(steps, 2 * GRAFT_FILES))
		return CLI_FAILED;
	report(tree, steps, undo);
	return CLI_OK;
}

static enum mode option_mode(const char *name)
{
	if (strcmp(name, "check") == 0)
		return MODE_CHECK;
	return strcmp(name, "diff") == 0 ? MODE_DIFF : MODE_UNDO;
}

int graft_main(int argc, char **argv)
{
	enum mode mode = MODE_GRAFT;
	struct args args;
	const char *name;
	int count = 0;

	args_begin(&args, argc, argv);
	for (; (name = args_next(&args)); count++)
		mode = option_mode(name);
	if (!args_end(&args, 1, 1))
		return args.status;
	if (count > 1) {
		cli_error("graft takes one of --check, --diff and --undo");
		return CLI_USAGE;
	}
	return graft(args.operand[0], mode);
}
