/* SPDX-License-Identifier: MIT
 *
 * needed.c - is a program linked with libarenite, by itself or by way of a library such as
 * libpython?
 *
 * The program's file is read, then the files of the libraries that it needs, and so on.  Libraries
 * are looked for in the way of ld.so(8): RPATH, LD_LIBRARY_PATH, RUNPATH, the cache of ldconfig,
 * and the system's directories.  A library that is not found is left out.  Nothing is run: ldd(1)
 * would run the program's dynamic linker.
 */
#include "cli/elf.h"
#include "cli/program.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENITE "libarenite.so."

/*
 * The program and all that it needs, each file once.  A Python needs about ten; what comes after
 * the 64th is not looked at.
 */
enum { FILES_MAX = 64 };
static struct {
	char path[FILES_MAX][PATH_MAX];
	size_t count;
} files;
static char arenite[PATH_MAX]; /* the libarenite that was found last */

static void add(const char *path)
{
	for (size_t i = 0; i < files.count; i++)
		if (strcmp(files.path[i], path) == 0)
			return;
	if (files.count < FILES_MAX)
		strcpy(files.path[files.count++], path);
}

/* ---- directories ----------------------------------------------------------------------------- */

/*
 * The directory at the beginning of a list, in which $ORIGIN stands for the directory of the file.
 * false: it is empty or too long.
 */
static bool expand(char directory[PATH_MAX], const char *list, size_t length, const char *file)
{
	static const char *const origins[] = { "$ORIGIN", "${ORIGIN}" };
	int own = (int)(strrchr(file, '/') - file);

	for (size_t i = 0; i < 2; i++) {
		size_t skipped = strlen(origins[i]);

		if (length >= skipped && memcmp(list, origins[i], skipped) == 0)
			return snprintf(directory, PATH_MAX, "%.*s%.*s", own, file,
			                (int)(length - skipped), list + skipped) < PATH_MAX;
	}
	return length > 0 && snprintf(directory, PATH_MAX, "%.*s", (int)length, list) < PATH_MAX;
}

static bool is_in(char path[PATH_MAX], const char *directory, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX &&
	       access(path, R_OK) == 0;
}

/*
 * Is the library in one of the directories of this list, which have colons between them?  Its path
 * is stored then.  The list may be NULL.
 */
static bool is_in_list(char path[PATH_MAX], const char *list, const char *name, const char *file)
{
	char directory[PATH_MAX];

	for (; list && *list; list += *list == ':') {
		size_t length = strcspn(list, ":;");

		if (expand(directory, list, length, file) && is_in(path, directory, name))
			return true;
		list += length;
	}
	return false;
}

/* The string of the first entry with this tag, or NULL. */
static const char *first(const struct elf *elf, ElfW(Sxword) tag)
{
	size_t position = 0;

	return elf_next(elf, tag, &position);
}

/* ---- the cache of ldconfig ------------------------------------------------------------------- */

/*
 * The file has the layout of dl-cache.h in glibc: a head of 48 bytes, entries of 24 bytes each, and
 * strings, to which the entries refer by offsets in the file.
 */
struct cache_entry {
	int32_t flags;
	uint32_t name, path, version;
	uint64_t hardware;
};
struct cache {
	char magic[20]; /* "glibc-ld.so.cache1.1" */
	uint32_t count, rest[6];
	struct cache_entry entries[];
};

static const char *string_of(const struct cache *cache, size_t size, uint32_t offset)
{
	const char *string = (const char *)cache + offset;

	return offset < size && memchr(string, 0, size - offset) ? string : "";
}

/*
 * Is the library in the cache of ldconfig?  The first entry of this name is taken, whatever its
 * hardware.  A cache of another format is passed over, and one that is larger than 1 MiB is cut
 * off.
 */
static bool is_in_cache(char path[PATH_MAX], const char *name)
{
	FILE *file = fopen("/etc/ld.so.cache", "re");
	static _Alignas(uint64_t) char bytes[1 << 20];
	const struct cache *cache = (const void *)bytes;
	size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;

	if (file)
		fclose(file);
	if (size < sizeof(*cache) ||
	    memcmp(cache->magic, "glibc-ld.so.cache1.1", sizeof(cache->magic)) != 0 ||
	    cache->count > (size - sizeof(*cache)) / sizeof(cache->entries[0]))
		return false;
	for (uint32_t i = 0; i < cache->count; i++)
		if (strcmp(string_of(cache, size, cache->entries[i].name), name) == 0)
			return snprintf(path, PATH_MAX, "%s",
			                string_of(cache, size, cache->entries[i].path)) < PATH_MAX;
	return false;
}

/* ---- what is needed -------------------------------------------------------------------------- */

#define SYSTEM "/lib:/usr/lib:/lib64:/usr/lib64:/usr/local/lib"

/*
 * Find the library of this name that `file` needs.  The program's RPATH is for all that is loaded.
 * The RPATH or RUNPATH of a library is for what that library itself needs, and a RUNPATH makes all
 * RPATHs void there.
 */
static bool find(char path[PATH_MAX], const char *name, const struct elf *elf, const char *file,
                 const char *program_rpath)
{
	const char *runpath = first(elf, DT_RUNPATH),
		   *rpath = runpath ? NULL : first(elf, DT_RPATH);

	if (strchr(name, '/'))
		return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX && access(path, R_OK) == 0;
	return is_in_list(path, rpath, name, file) ||
	       (!runpath && is_in_list(path, program_rpath, name, files.path[0])) ||
	       is_in_list(path, getenv("LD_LIBRARY_PATH"), name, file) ||
	       is_in_list(path, runpath, name, file) || is_in_cache(path, name) ||
	       is_in_list(path, SYSTEM, name, file);
}

/*
 * Add what one file needs to `files`.  true: libarenite is among it.  The first file is the
 * program, whose RPATH is stored for the files that follow.
 */
static bool needs_arenite(const char *file, const char **program_rpath)
{
	char path[PATH_MAX], real[PATH_MAX];
	const char *name;
	struct elf elf;
	size_t position = 0;

	if (!elf_open(&elf, file))
		return false;
	if (file == files.path[0])
		*program_rpath = first(&elf, DT_RUNPATH) ? NULL : first(&elf, DT_RPATH);
	while ((name = elf_next(&elf, DT_NEEDED, &position))) {
		if (strncmp(name, ARENITE, strlen(ARENITE)) == 0) {
			if (!find(arenite, name, &elf, file, *program_rpath))
				*arenite = '\0';
			return true;
		}
		if (find(path, name, &elf, file, *program_rpath) && realpath(path, real))
			add(real);
	}
	return false;
}

/* The list grows while it is read, until nothing new is found. */
bool program_has_arenite(const char *path)
{
	char real[PATH_MAX];
	const char *program_rpath = NULL;

	files.count = 0;
	*arenite = '\0';
	if (!realpath(path, real))
		return false;
	add(real);
	for (size_t i = 0; i < files.count; i++)
		if (needs_arenite(files.path[i], &program_rpath))
			return true;
	return false;
}

const char *program_arenite(void)
{
	return arenite;
}
