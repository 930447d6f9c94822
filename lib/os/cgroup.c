/* SPDX-License-Identifier: MIT */
#include "os/cgroup.h"

#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- files ----------------------------------------------------------------------------------- */

/* The functions of libc are cancellation points: a thread that was cancelled would end here, in the
 * middle of malloc. */
static int open_at(int folder, const char *name, int flags)
{
	return (int)syscall(SYS_openat, folder, name, flags | O_CLOEXEC);
}

static void close_file(int fd)
{
	if (fd >= 0)
		syscall(SYS_close, fd);
}

/* A file that is read line by line.  It belongs to one thread, and is small, because the stack of
 * any thread has to hold it. */
struct reader {
	int fd;
	size_t at, end;
	char bytes[512];
};

static void begin_reading(struct reader *reader, int folder, const char *name)
{
	reader->fd = open_at(folder, name, O_RDONLY);
	reader->at = reader->end = 0;
}

/* The next byte; -1: there is none. */
static int next_byte(struct reader *reader)
{
	if (reader->at == reader->end) {
		long n = reader->fd < 0 ? -1
		                        : syscall(SYS_read, reader->fd, reader->bytes,
		                                  sizeof(reader->bytes));

		if (n <= 0)
			return -1;
		reader->at = 0;
		reader->end = (size_t)n;
	}
	return (unsigned char)reader->bytes[reader->at++];
}

/* The next line, without its end; what does not fit is cut off.  false: there is none. */
static bool next_line(struct reader *reader, char *line, size_t size)
{
	size_t length = 0;
	int byte = next_byte(reader);

	if (byte < 0)
		return false;
	for (; byte >= 0 && byte != '\n'; byte = next_byte(reader))
		if (length + 1 < size)
			line[length++] = (char)byte;
	line[length] = '\0';
	return true;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A number at the beginning of a text.  false: there is none, as in "max".  One that does not fit
 * is SIZE_MAX. */
static bool number_at(const char *text, size_t *number)
{
	size_t n = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9' && n != SIZE_MAX; text++)
		n = n > (SIZE_MAX - 9) / 10 ? SIZE_MAX : n * 10 + (size_t)(*text - '0');
	*number = n;
	return true;
}

/* The number that is all of a file, or `otherwise`. */
static size_t number_in(int folder, const char *name, size_t otherwise)
{
	struct reader reader;
	char line[32];
	size_t number;
	bool found;

	begin_reading(&reader, folder, name);
	found = next_line(&reader, line, sizeof(line)) && number_at(line, &number);
	close_file(reader.fd);
	return found ? number : otherwise;
}

/* The number behind `key` and blanks in a file of such lines, or `otherwise`. */
static size_t number_of(int folder, const char *name, const char *key, size_t otherwise)
{
	size_t length = strlen(key), number = otherwise;
	struct reader reader;
	char line[64];

	begin_reading(&reader, folder, name);
	while (next_line(&reader, line, sizeof(line))) {
		if (strncmp(line, key, length) != 0 || line[length] != ' ')
			continue;
		number_at(line + length + strspn(line + length, " "), &number);
		break;
	}
	close_file(reader.fd);
	return number;
}

/* ---- levels ---------------------------------------------------------------------------------- */

struct level {
	enum cgroup_kind kind;
	char name[PATH_MAX];
};

/* The levels with a limit; `own` is the group that the process is in. */
static struct level levels[CGROUP_LEVELS], own;
static unsigned used_levels;

static size_t less(size_t a, size_t b)
{
	return a - min_size(a, b);
}

/* The smaller one of memory.max and memory.high. */
static void read_limits_of_v2(int folder, struct cgroup_use *use)
{
	size_t max = number_in(folder, "memory.max", SIZE_MAX);
	size_t high = number_in(folder, "memory.high", SIZE_MAX);

	use->limit = min_size(max, high);
	use->limit_file = high < max ? "memory.high" : "memory.max";
	use->used_file = "memory.current";
}

static void read_limit_of_v1(int folder, struct cgroup_use *use)
{
	use->limit_file = "memory.limit_in_bytes";
	use->limit = number_in(folder, use->limit_file, SIZE_MAX);
	use->used_file = "memory.usage_in_bytes";
}

static bool read_group(const struct level *level, struct cgroup_use *use)
{
	bool second = level->kind == CGROUP_V2;
	int folder = open_at(AT_FDCWD, level->name, O_PATH | O_DIRECTORY);
	size_t inactive;

	if (folder < 0)
		return false;
	if (second)
		read_limits_of_v2(folder, use);
	else
		read_limit_of_v1(folder, use);
	use->used = number_in(folder, use->used_file, SIZE_MAX);
	inactive = number_of(folder, "memory.stat",
	                     second ? "inactive_file" : "total_inactive_file", 0);
	close_file(folder);
	if (use->used == SIZE_MAX)
		return false;
	use->used = less(use->used, inactive);
	return true;
}

static bool read_machine(const struct level *level, struct cgroup_use *use)
{
	size_t total = number_of(AT_FDCWD, level->name, "MemTotal:", 0);
	size_t available = number_of(AT_FDCWD, level->name, "MemAvailable:", 0);

	*use = (struct cgroup_use){ .limit = total * KIB, .used = less(total, available) * KIB };
	return total != 0;
}

/* The second number of the file is how many pages are resident. */
static bool read_process(const struct level *level, struct cgroup_use *use)
{
	struct reader reader;
	char line[128];
	size_t pages = 0;
	bool found;

	begin_reading(&reader, AT_FDCWD, level->name);
	found = next_line(&reader, line, sizeof(line)) && strchr(line, ' ') &&
	        number_at(strchr(line, ' ') + 1, &pages);
	close_file(reader.fd);
	*use = (struct cgroup_use){ .limit = SIZE_MAX, .used = pages * os_page_size() };
	return found;
}

static bool read_level(const struct level *level, struct cgroup_use *use)
{
	int saved = errno;
	bool done;

	if (level->kind == CGROUP_MACHINE)
		done = read_machine(level, use);
	else if (level->kind == CGROUP_PROCESS)
		done = read_process(level, use);
	else
		done = read_group(level, use);
	errno = saved;
	return done;
}

unsigned cgroup_levels(void)
{
	return used_levels;
}

enum cgroup_kind cgroup_kind(unsigned level)
{
	return levels[level].kind;
}

const char *cgroup_name(unsigned level)
{
	return levels[level].name;
}

bool cgroup_read(unsigned level, struct cgroup_use *use)
{
	return read_level(&levels[level], use);
}

bool cgroup_read_own(struct cgroup_use *use)
{
	return read_level(&own, use);
}

const char *cgroup_own_name(void)
{
	return own.name;
}

/* ---- where the groups are -------------------------------------------------------------------- */

/* Two texts one behind the other.  false: they do not fit. */
static bool join(char to[PATH_MAX], const char *first, const char *second)
{
	size_t a = strlen(first), b = strlen(second);

	if (a + b >= PATH_MAX)
		return false;
	memmove(to, first, a);
	memcpy(to + a, second, b + 1);
	return true;
}

/* Is this word one of the words of a list with commas between? */
static bool has_word(const char *list, const char *word, size_t length)
{
	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == length && memcmp(list, word, n) == 0)
			return true;
		list += n;
		list += *list == ',';
	}
	return false;
}

/*
 * A line of /proc/self/cgroup is NUMBER:CONTROLLERS:PATH.  Version 2 has one line, which begins
 * with 0:: and names no controller.  If a line of version 1 names memory, that is where memory is
 * counted.
 */
static bool is_groups_line(const char *line, enum cgroup_kind *kind, const char **path)
{
	const char *controllers = strchr(line, ':');
	char *end = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!end)
		return false;
	*path = end + 1;
	*end = '\0';
	if (has_word(controllers + 1, "memory", 6))
		*kind = CGROUP_V1;
	else if (strcmp(line, "0:") == 0)
		*kind = CGROUP_V2;
	else
		return false;
	return true;
}

/* Which group the process is in, by the path that the kernel gives it.  false: in none. */
static bool find_group(const char *tree, enum cgroup_kind *kind, char path[PATH_MAX])
{
	char line[PATH_MAX + 256];
	struct reader reader;
	bool found = false;

	if (!join(line, tree, "/proc/self/cgroup"))
		return false;
	begin_reading(&reader, AT_FDCWD, line);
	while (!(found && *kind == CGROUP_V1) && next_line(&reader, line, sizeof(line))) {
		enum cgroup_kind of;
		const char *at;

		if (is_groups_line(line, &of, &at) && join(path, at, "")) {
			*kind = of;
			found = true;
		}
	}
	close_file(reader.fd);
	return found;
}

/* In mountinfo blanks and the like are written as \ and three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; to++) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*to = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

/* Cuts the text at its next blank, and returns what follows; NULL: nothing does. */
static char *cut_word(char *text)
{
	char *blank = text ? strchr(text, ' ') : NULL;

	if (blank)
		*blank++ = '\0';
	return blank;
}

/*
 * A line of mountinfo is ID PARENT DEVICE ROOT WHERE OPTIONS ... - TYPE SOURCE OPTIONS.  Is it a
 * mount of the groups of this kind?  Then *root is the group that is mounted, and *where the
 * folder.
 */
static bool is_mount(char *line, enum cgroup_kind kind, char **root, char **where)
{
	char *dash = strstr(line, " - "), *type, *source, *options, *rest;

	if (!dash)
		return false;
	*dash = '\0';
	type = dash + 3;
	source = cut_word(type);
	options = cut_word(source);
	*root = cut_word(cut_word(cut_word(line)));
	*where = cut_word(*root);
	rest = cut_word(*where);
	if (!rest)
		return false;
	if (kind == CGROUP_V2)
		return strcmp(type, "cgroup2") == 0;
	return strcmp(type, "cgroup") == 0 && options && has_word(options, "memory", 6);
}

/* The part of the path below the root of the mount.  A path that is not below it, or leads out of
 * the namespace of the groups (/..), cannot be found in the mount, and the mount itself is what the
 * process sees of its group. */
static const char *path_below(const char *path, const char *root)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(path, root, length) != 0 || (path[length] != '/' && path[length] != '\0') ||
	    strstr(path, "/.."))
		return "";
	return strcmp(path + length, "/") == 0 ? "" : path + length;
}

/*
 * The folder of the group: where groups of this kind are mounted, and the group's path below that.
 * *top is the length of the first part.  false: they are not mounted.
 */
static bool find_folder(const char *tree, enum cgroup_kind kind, const char *path,
                        char folder[PATH_MAX], size_t *top)
{
	static char line[2 * PATH_MAX]; /* there is one thread */
	struct reader reader;
	char *root = NULL, *where = NULL;
	bool found = false;

	if (!join(line, tree, "/proc/self/mountinfo"))
		return false;
	begin_reading(&reader, AT_FDCWD, line);
	while (!found && next_line(&reader, line, sizeof(line)))
		found = is_mount(line, kind, &root, &where);
	close_file(reader.fd);
	if (!found)
		return false;
	unescape(root);
	unescape(where);
	if (!join(folder, tree, where))
		return false;
	*top = strlen(folder);
	return join(folder, folder, path_below(path, root));
}

/* ---- finding the levels ---------------------------------------------------------------------- */

/* Notes the level if it has a limit, and one that is below the memory of the machine. */
static void note_level(enum cgroup_kind kind, const char *name, size_t machine)
{
	struct level *level = &levels[used_levels];
	struct cgroup_use use;

	if (used_levels == CGROUP_LEVELS)
		return;
	level->kind = kind;
	join(level->name, name, "");
	used_levels += read_level(level, &use) && use.limit < machine;
}

/* The group itself and those above it, up to the mount. */
static void note_groups(enum cgroup_kind kind, char *folder, size_t top, size_t machine)
{
	for (;;) {
		char *slash = strrchr(folder, '/');

		note_level(kind, folder, machine);
		if (!slash || strlen(folder) <= top || (size_t)(slash - folder) < top)
			return;
		*slash = '\0';
	}
}

/* A container may have its group mounted at the top, and another path in /proc/self/cgroup. */
static bool is_group(enum cgroup_kind kind, const char *folder)
{
	struct cgroup_use unused;

	own.kind = kind;
	return join(own.name, folder, "") && read_level(&own, &unused);
}

static void find_groups(const char *tree, size_t machine)
{
	static char folder[PATH_MAX], path[PATH_MAX]; /* there is one thread */
	enum cgroup_kind kind;
	size_t top;

	if (!find_group(tree, &kind, path) || !find_folder(tree, kind, path, folder, &top))
		return;
	if (!is_group(kind, folder)) {
		folder[top] = '\0';
		is_group(kind, folder);
	}
	note_groups(kind, folder, top, machine);
}

/* The group that the process is in, or the process itself if there is none. */
static void find_own(const char *tree)
{
	struct cgroup_use unused;

	if (own.name[0] && read_level(&own, &unused))
		return;
	own.kind = CGROUP_PROCESS;
	join(own.name, tree, "/proc/self/statm");
}

/* The memory of the machine is a level if no group has less. */
void cgroup_find(const char *tree)
{
	static struct level machine; /* there is one thread */
	struct cgroup_use use = { .limit = SIZE_MAX };

	used_levels = 0;
	own.name[0] = '\0';
	machine.kind = CGROUP_MACHINE;
	if (!join(machine.name, tree, "/proc/meminfo") || !read_level(&machine, &use))
		use.limit = SIZE_MAX;
	find_groups(tree, use.limit);
	find_own(tree);
	if (used_levels == 0 && use.limit != SIZE_MAX)
		levels[used_levels++] = machine;
}
