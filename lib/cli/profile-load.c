/* SPDX-License-Identifier: MIT
 *
 * profile-load.c - reads an image (profile/record.h), which may be damaged, or be written to at the
 * same time: a record is looked at only when all of it lies in what was read.
 */
#include "cli/profile.h"

#include "cli/cli.h"
#include "cli/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ----------------------------------------------------------------------------------- */

/* All that is left in a file, with a zero behind it.  NULL: it cannot be read. */
static char *read_all(int fd, size_t *size)
{
	size_t room = 64 * KIB;
	char *bytes = malloc(room + 1);
	ssize_t n = 1;

	*size = 0;
	while (bytes && n > 0) {
		if (*size == room)
			bytes = realloc(bytes, (room *= 2) + 1);
		n = bytes ? read(fd, bytes + *size, room - *size) : -1;
		*size += n > 0 ? (size_t)n : 0;
	}
	if (!bytes || n < 0)
		return NULL;
	bytes[*size] = '\0';
	return bytes;
}

static char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes = fd >= 0 ? read_all(fd, size) : NULL;

	if (fd >= 0)
		close(fd);
	return bytes;
}

/* ---- a process ------------------------------------------------------------------------------- */

static bool take(int fd, void *arg)
{
	*(int *)arg = fd;
	return true;
}

#define TRIES 1000u

/* Copies a sample between two looks at its version, V2.  Where it is never at rest, it is left out.
 */
static void copy_sample(char *to, const char *from, size_t length)
{
	const struct record *sample = (const struct record *)from;

	for (unsigned n = 0; n < TRIES; n++) {
		uint32_t version = load_acquire(
			&((struct record *)(uintptr_t)from)->x_version); /* V2 */

		memcpy(to, from, length);
		if (version % 2 == 0 &&
		    version == load_acquire(&((struct record *)(uintptr_t)sample)->x_version))
			return;
	}
	store_relaxed(&((struct record *)to)->x_kind, RECORD_NONE);
}

/* Samples change while they are copied; the other records do not, but for sums. */
static char *copy_memfd(int fd, size_t *size)
{
	struct stat status;
	struct profile_header head;
	char *map, *copy;

	if (fstat(fd, &status) != 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return NULL;
	*size = min_size(load_relaxed(&head.x_used), (size_t)status.st_size);
	map = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
	copy = malloc(*size + 1);
	if (map == MAP_FAILED || !copy)
		return NULL;
	memcpy(copy, map, *size);
	for (size_t at = head.header_size; at + sizeof(struct record) <= *size;) {
		const struct record *record = (const struct record *)(copy + at);

		if (record->length < sizeof(*record) || record->length % RECORD_ALIGN != 0 ||
		    record->length > *size - at)
			break;
		if (load_relaxed(&record->x_kind) == RECORD_SAMPLE)
			copy_sample(copy + at, map + at, record->length);
		at += record->length;
	}
	return copy;
}

static bool load_process(struct profile *profile, const char *pid)
{
	char path[64];
	size_t size;
	pid_t number;
	int fd = -1, error;

	if (!outside_parse(pid, &number))
		return false;
	error = outside_find(number, "arenite-profile", take, &fd);
	if (error)
		cli_error("process %s: %s", pid, strerror(error));
	else if (fd < 0)
		cli_error("process %s takes no profile: start it with ARENITE_PROFILE=512K", pid);
	if (fd < 0)
		return false;
	profile->bytes = copy_memfd(fd, &profile->size);
	close(fd);
	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	profile->maps = read_file(path, &size);
	if (!profile->bytes)
		cli_error("process %s: its profile cannot be read", pid);
	return profile->bytes != NULL;
}

/* ---- records --------------------------------------------------------------------------------- */

/* The record at this place, whatever it is, or NULL. */
static const struct record *record_at(const struct profile *profile, uint64_t at)
{
	const struct record *record = (const struct record *)(profile->bytes + at);

	if (at < profile->header->header_size || at % RECORD_ALIGN != 0 || at >= profile->size ||
	    profile->size - at < sizeof(*record) || record->check != record_check(at) ||
	    record->length < sizeof(*record) || record->length > profile->size - at)
		return NULL;
	return record;
}

static size_t least_length(enum record_kind kind)
{
	static const size_t lengths[] = {
		[RECORD_CODE] = sizeof(struct record_code),
		[RECORD_STACK] = sizeof(struct record_stack),
		[RECORD_SAMPLE] = offsetof(struct record_sample, next_retired),
		[RECORD_EDGE] = sizeof(struct record_edge),
		[RECORD_MAPS] = sizeof(struct record_maps),
		[RECORD_BUILD] = sizeof(struct record_build),
	};

	return kind < array_length(lengths) ? lengths[kind] : 0;
}

/* Do the parts of a record that it has the length of lie in it? */
static bool is_whole(const struct record *record, enum record_kind kind)
{
	const struct record_code *code = (const void *)record;
	const struct record_stack *stack = (const void *)record;
	const struct record_maps *maps = (const void *)record;
	const struct record_build *build = (const void *)record;
	size_t rest = record->length - least_length(kind);

	if (record->length < least_length(kind))
		return false;
	if (kind == RECORD_CODE)
		return (size_t)code->name_length + code->file_length + code->table_length <= rest;
	if (kind == RECORD_STACK)
		return stack->frames <= rest / sizeof(uint64_t);
	if (kind == RECORD_BUILD)
		return build->size <= BUILD_ID_MOST;
	return kind != RECORD_MAPS || maps->bytes < rest;
}

const struct record *profile_record(const struct profile *profile, uint64_t at,
                                    enum record_kind kind)
{
	const struct record *record = record_at(profile, at);

	return record && load_relaxed(&record->x_kind) == kind && is_whole(record, kind) ? record
	                                                                                 : NULL;
}

/* A place without a record is passed by one step: a thread was about to write there. */
void profile_each(const struct profile *profile, enum record_kind kind,
                  void (*f)(const struct record *record, void *arg), void *arg)
{
	for (uint64_t at = profile->header->header_size; at < profile->size;) {
		const struct record *record = record_at(profile, at);

		if (record && profile_record(profile, at, kind))
			f(record, arg);
		at += record ? record->length : RECORD_ALIGN;
	}
}

/* ---- sums ------------------------------------------------------------------------------------ */

static double to_double(const _Atomic uint64_t *sum)
{
	return (double)load_relaxed(sum);
}

static void add_stack(const struct record *record, void *arg)
{
	const struct record_stack *stack = (const void *)record;
	struct profile *profile = arg;

	if (profile->stack_count % 1024 == 0)
		profile->stacks = realloc(profile->stacks,
		                          (profile->stack_count + 1024) * sizeof(*profile->stacks));
	if (!profile->stacks)
		abort();
	profile->stacks[profile->stack_count++] = (struct profile_stack){
		stack,
		{ 0, 0, to_double(&stack->made.x_bytes), to_double(&stack->made.x_blocks) / 256 }
	};
}

/* Stacks are in the order of their places. */
static struct profile_stack *find_stack(struct profile *profile, uint64_t at)
{
	const char *place = profile->bytes + at;
	size_t low = 0, high = profile->stack_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if ((const char *)profile->stacks[middle].record < place)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < profile->stack_count && (const char *)profile->stacks[low].record == place)
		return &profile->stacks[low];
	return NULL;
}

/* exp(-x), of which the command needs no more than that. */
static double exp_of_minus(double x)
{
	double sum = 1, power = 1;
	unsigned halves = 0;

	for (; x > 0.03; halves++)
		x /= 2;
	for (unsigned i = 1; i < 8; i++)
		sum += power *= -x / i;
	for (; halves > 0; halves--)
		sum *= sum;
	return sum;
}

static void add_sample(const struct record *record, void *arg)
{
	const struct record_sample *sample = (const void *)record;
	struct profile *profile = arg;
	struct profile_stack *stack = find_stack(profile, sample->made_at);
	double chance = 1 - exp_of_minus((double)sample->counted / (double)profile->header->mean);

	if (sample->state != SAMPLE_LIVE || !stack || !(chance > 0))
		return;
	profile->sample_count++;
	stack->values.live_blocks += 1 / chance;
	stack->values.live_bytes += (double)sample->size / chance;
}

static void add_build(const struct record *record, void *arg)
{
	struct profile *profile = arg;

	profile->builds = realloc(profile->builds,
	                          (profile->build_count + 1) * sizeof(*profile->builds));
	if (!profile->builds)
		abort();
	profile->builds[profile->build_count++] = (const void *)record;
}

static void take_maps(const struct record *record, void *arg)
{
	struct profile *profile = arg;

	profile->maps = (char *)((struct record_maps *)(uintptr_t)record)->text;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool is_profile(struct profile *profile)
{
	profile->header = (const void *)profile->bytes;
	return profile->size >= sizeof(*profile->header) &&
	       memcmp(profile->header->magic, PROFILE_MAGIC, 8) == 0 &&
	       profile->header->version == PROFILE_VERSION && profile->header->mean > 0 &&
	       profile->header->header_size >= sizeof(*profile->header);
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

bool profile_load(struct profile *profile, const char *what)
{
	memset(profile, 0, sizeof(*profile));
	profile->name = what;
	if (is_number(what)) {
		if (!load_process(profile, what))
			return false;
	} else if (!(profile->bytes = read_file(what, &profile->size))) {
		cli_error("%s: %s", what, strerror(errno));
		return false;
	}
	if (!is_profile(profile)) {
		cli_error("%s is no profile that this version of arenite knows", what);
		return false;
	}
	profile_each(profile, RECORD_STACK, add_stack, profile);
	profile_each(profile, RECORD_SAMPLE, add_sample, profile);
	profile_each(profile, RECORD_BUILD, add_build, profile);
	if (!profile->maps)
		profile_each(profile, RECORD_MAPS, take_maps, profile);
	return true;
}
