/* SPDX-License-Identifier: MIT
 *
 * graft-content.c - reads and replaces files, and tells whose text a file has.
 */
#include "cli/graft.h"

#include "base/base.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool content_read(struct content *content, const char *path)
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
		ok = content->bytes &&
		     fread(content->bytes, 1, content->length, file) == content->length;
	}
	fclose(file);
	if (!ok) {
		free(content->bytes);
		*content = (struct content){ 0 };
	}
	return ok;
}

bool content_equal(const struct content *a, const struct content *b)
{
	if (!a->bytes || !b->bytes)
		return a->bytes == b->bytes;
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Write a new file.  Closing it is part of it, since a full disk may be noticed only then. */
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

/*
 * The text goes to a new file in the same directory, which is renamed.  If a step fails the new
 * file is removed, and errno is that of the failure.
 */
bool content_put(const char *path, const struct content *content)
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

bool graft_join(char path[PATH_MAX], const char *directory, const char *name, const char *suffix)
{
	int length = snprintf(path, PATH_MAX, "%s/%s%s", directory, name, suffix);

	return length > 0 && length < PATH_MAX;
}

/*
 * The first line of a file of the overlay in a tree.  The number is hash_bytes of all that follows
 * it.
 */
#define STAMP                          \
	"/* arenite graft %016" PRIx64 \
	": the sum of what follows, by which a changed file is known */\n"

static size_t stamp_write(char stamp[128], const char *bytes, size_t length)
{
	return (size_t)snprintf(stamp, 128, STAMP, hash_bytes(bytes, length));
}

bool graft_stamp(struct content *content)
{
	char stamp[128];
	size_t length = stamp_write(stamp, content->bytes, content->length);
	char *bytes = malloc(length + content->length + 1);

	if (!bytes)
		return false;
	memcpy(bytes, stamp, length);
	memcpy(bytes + length, content->bytes, content->length + 1);
	free(content->bytes);
	*content = (struct content){ bytes, length + content->length };
	return true;
}

/*
 * Does the first line have the checksum of the rest?  Only the number is looked for, because the
 * wording of the line may be that of another version.
 */
static bool is_unchanged(const struct content *content)
{
	const char *rest = strchr(content->bytes, '\n');
	char sum[17];

	if (!rest)
		return false;
	rest++;
	snprintf(sum, sizeof(sum), "%016" PRIx64,
	         hash_bytes(rest, content->length - (size_t)(rest - content->bytes)));
	return memmem(content->bytes, (size_t)(rest - content->bytes), sum, 16);
}

static bool begins_with(const struct content *content, const char *text)
{
	return strncmp(content->bytes, text, strlen(text)) == 0;
}

/*
 * The order of the questions matters: a file with a line of ours is never taken for CPython's,
 * whatever its text.  CPython's files have the names of mimalloc's authors at their head.
 * `old_head` and the words " - stands in for " are at the head of overlays that have no line with a
 * checksum.
 */
enum graft_origin graft_origin(const struct content *content)
{
	static const char old_head[] = "/* SPDX-License-Identifier: MIT\n *\n * ";

	if (!content->bytes)
		return GRAFT_FOREIGN;
	if (begins_with(content, "/* arenite graft "))
		return is_unchanged(content) ? GRAFT_OVERLAY : GRAFT_EDITED;
	if (strstr(content->bytes, "Microsoft Research, Daan Leijen"))
		return GRAFT_CPYTHON;
	return begins_with(content, old_head) && strstr(content->bytes, " - stands in for ")
	               ? GRAFT_OVERLAY
	               : GRAFT_FOREIGN;
}
