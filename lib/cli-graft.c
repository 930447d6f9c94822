/* SPDX-License-Identifier: MIT
 *
 * cli-graft.c - puts the overlay into CPython's source tree, and takes it out again.
 *
 * Four files are replaced; each original stays beside its file as FILE.arenite-orig until --undo.  Everything
 * is read and judged before anything is written.  A file changes by rename, so that it is never half
 * written, and hard links to it (a copy of the tree made with cp -al) keep the old text.  When a step fails
 * the steps before it are taken back.
 */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 4

static const struct {
	const char *path, *overlay;
} files[FILES] = {
	{ "Objects/mimalloc/static.c", "static.c" },
	{ "Include/internal/mimalloc/mimalloc.h", "mimalloc.h" },
	{ "Include/internal/mimalloc/mimalloc/types.h", "types.h" },
	{ "Include/internal/mimalloc/mimalloc/internal.h", "internal.h" },
};

/* Versions whose calls into mimalloc the overlay serves */
enum { OLDEST_MINOR = 13, NEWEST_MINOR = 16 };

/* The text of a file, in malloc'ed memory and with a 0 after it; bytes NULL: there is no such file. */
struct content {
	char *bytes;
	size_t length;
};

/* One file: what it holds and what it is to hold.  bytes NULL: it does not exist, or shall not. */
struct step {
	char path[PATH_MAX];
	struct content before, after;
};

static bool content_read(struct content *content, const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat status;
	bool ok = false;

	*content = (struct content){ 0 };
	if (!file)
		return false;
	if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode)) {
		content->length = (size_t)status.st_size;
		content->bytes = calloc(1, content->length + 1);
		ok = content->bytes && fread(content->bytes, 1, content->length, file) == content->length;
	}
	fclose(file);
	if (!ok) {
		free(content->bytes);
		*content = (struct content){ 0 };
	}
	return ok;
}

static bool content_equal(const struct content *a, const struct content *b)
{
	if (!a->bytes || !b->bytes)
		return a->bytes == b->bytes;
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Is this a file of the mimalloc that comes with CPython? */
static bool content_is_original(const struct content *content)
{
	return content->bytes && strstr(content->bytes, "Microsoft Research, Daan Leijen");
}

static bool join(char path[PATH_MAX], const char *directory, const char *name, const char *suffix)
{
	int length = snprintf(path, PATH_MAX, "%s/%s%s", directory, name, suffix);

	return length > 0 && length < PATH_MAX;
}

static bool write_all(const char *path, const struct content *content)
{
	FILE *file = fopen(path, "wb");
	bool ok;

	if (!file)
		return false;
	ok = fwrite(content->bytes, 1, content->length, file) == content->length;
	ok = fflush(file) == 0 && ok;
	return fclose(file) == 0 && ok;
}

/* Make the file hold this text, or not exist, in one atomic step. */
static bool put(const char *path, const struct content *content)
{
	char fresh[PATH_MAX + 16];
	int error;

	if (!content->bytes)
		return unlink(path) == 0 || errno == ENOENT;
	snprintf(fresh, sizeof(fresh), "%s.arenite-new", path);
	if (write_all(fresh, content) && rename(fresh, path) == 0)
		return true;
	error = errno;
	unlink(fresh);
	errno = error;
	return false;
}

/* All steps, or none. */
static bool apply(const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (content_equal(&steps[i].before, &steps[i].after) || put(steps[i].path, &steps[i].after))
			continue;
		cli_error("cannot write %s: %s; nothing is changed", steps[i].path, strerror(errno));
		while (i-- > 0)
			if (!content_equal(&steps[i].before, &steps[i].after) &&
			    !put(steps[i].path, &steps[i].before))
				cli_error("cannot restore %s: %s", steps[i].path, strerror(errno));
		return false;
	}
	return true;
}

/* The number after "#define NAME", or -1 */
static int find_define(const char *text, const char *name)
{
	size_t length = strlen(name);

	while ((text = strstr(text, "#define "))) {
		text += strlen("#define ");
		text += strspn(text, " \t");
		if (strncmp(text, name, length) == 0 && strchr(" \t", text[length]))
			return atoi(text + length);
	}
	return -1;
}

static bool check_version(const char *tree)
{
	char path[PATH_MAX];
	struct content header;
	int major, minor;

	if (!join(path, tree, "Include/patchlevel.h", "") || !content_read(&header, path)) {
		cli_error("%s is not a source tree of CPython: it has no Include/patchlevel.h", tree);
		return false;
	}
	major = find_define(header.bytes, "PY_MAJOR_VERSION");
	minor = find_define(header.bytes, "PY_MINOR_VERSION");
	free(header.bytes);
	if (major == 3 && minor >= OLDEST_MINOR && minor <= NEWEST_MINOR)
		return true;
	if (major < 0 || minor < 0)
		cli_error("%s: Include/patchlevel.h tells no version of Python", tree);
	else
		cli_error("%s is Python %d.%d; the graft knows 3.%d to 3.%d", tree, major, minor, OLDEST_MINOR,
		          NEWEST_MINOR);
	return false;
}

/* obmalloc.c compiles static.c as a part of itself: through this include the overlay gets in */
static bool check_include(const char *tree)
{
	char path[PATH_MAX];
	struct content source;
	bool found;

	if (!join(path, tree, "Objects/obmalloc.c", "") || !content_read(&source, path)) {
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
 * Plan two steps for one file, the saved original first when grafting, last when undoing: at any moment the
 * original is in one of the two places.
 */
static bool plan_file(struct step step[2], const char *tree, const char *name, const struct content *overlay)
{
	struct step *file = &step[overlay ? 1 : 0], *saved = &step[overlay ? 0 : 1];

	if (!join(file->path, tree, name, "") || !join(saved->path, tree, name, ".arenite-orig")) {
		cli_error("%s: the path is too long", tree);
		return false;
	}
	content_read(&saved->before, saved->path);
	if (!content_read(&file->before, file->path)) {
		cli_error("cannot read %s: %s", file->path, strerror(errno));
		return false;
	}
	if (!content_is_original(&file->before) && !content_is_original(&saved->before)) {
		cli_error("%s is neither CPython's own file nor a graft", file->path);
		return false;
	}
	/* A saved text beside CPython's own file is from before that file came back, perhaps newer */
	file->after = content_is_original(&file->before) ? file->before : saved->before;
	if (overlay) {
		saved->after = file->after;
		file->after = *overlay;
	}
	return true;
}

static bool is_overlay(const char *directory)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < FILES; i++)
		if (!join(path, directory, files[i].overlay, "") || access(path, R_OK) != 0)
			return false;
	return true;
}

/* ../share/arenite/graft from the directory of this program, so that an installation can be moved */
static bool beside_program(char directory[PATH_MAX])
{
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (length <= 0)
		return false;
	program[length] = '\0';
	*strrchr(program, '/') = '\0';
	return join(directory, program, "../share/arenite/graft", "");
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

static bool read_overlay(struct content overlay[FILES])
{
	char directory[PATH_MAX], path[PATH_MAX];

	if (!find_overlay(directory))
		return false;
	for (size_t i = 0; i < FILES; i++)
		if (!join(path, directory, files[i].overlay, "") || !content_read(&overlay[i], path)) {
			cli_error("cannot read %s: %s", path, strerror(errno));
			return false;
		}
	return true;
}

static void report(const char *tree, const struct step *steps, bool undo)
{
	char built[PATH_MAX];
	size_t changed = 0;

	for (size_t i = 0; i < FILES; i++)
		changed += !content_equal(&steps[2 * i + !undo].before, &steps[2 * i + !undo].after);
	printf("%s: %zu of %d files changed, %s\n", tree, changed, FILES,
	       undo ? "CPython's own allocator is back" : "Arenite is in");
	if (changed && join(built, tree, "Objects/obmalloc.o", "") && access(built, F_OK) == 0)
		printf("%s holds objects of an earlier build: run make clean there\n", tree);
}

static int graft(const char *tree, bool undo)
{
	static struct content overlay[FILES];
	static struct step steps[2 * FILES];

	if (!check_version(tree) || !check_include(tree) || (!undo && !read_overlay(overlay)))
		return CLI_FAILED;
	for (size_t i = 0; i < FILES; i++)
		if (!plan_file(&steps[2 * i], tree, files[i].path, undo ? NULL : &overlay[i]))
			return CLI_FAILED;
	if (!apply(steps, 2 * FILES))
		return CLI_FAILED;
	report(tree, steps, undo);
	return CLI_OK;
}

int graft_main(int argc, char **argv)
{
	const char *tree = NULL;
	bool undo = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--undo") == 0)
			undo = true;
		else if (argv[i][0] != '-' && !tree)
			tree = argv[i];
		else
			tree = "";
	}
	if (!tree || !*tree) {
		cli_error("usage: arenite graft SRC [--undo]");
		return CLI_USAGE;
	}
	return graft(tree, undo);
}
