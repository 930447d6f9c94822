/* SPDX-License-Identifier: MIT */
#include "profile/image.h"

#include "base/option.h"
#include "base/text.h"
#include "os/os.h"

#include <time.h>
#include <unistd.h>

/* Address space for each of the copies; where that is scarce, less.  A sample takes 256 bytes, and
 * a stack of 20 frames as much. */
#define CAPACITY_MOST  (64 * MIB)
#define CAPACITY_LEAST (1 * MIB)

static struct profile_header *own; /* the copy in our own memory */
static struct os_shared memfd;
static char *shared; /* the copy in the memfd; NULL: there is none */
static size_t capacity;

struct profile_header *image_header(void)
{
	return own;
}

static char *twin(const void *record)
{
	return shared + image_place(record);
}

/* ---- the memfd ------------------------------------------------------------------------------- */

/* With option GUARD alone the image has stacks and no profile, which is for nobody else. */
static void share(void)
{
	if (option(OPTION_PROFILE) == 0)
		return;
	shared = NULL;
	if (os_share(&memfd, "arenite-profile", capacity, own, load_relaxed(&own->x_used)))
		shared = memfd.address;
}

/* The sums of the header go over by themselves, because other threads may be adding to them. */
void image_publish_header(void)
{
	struct profile_header *other = (struct profile_header *)shared;

	if (!shared)
		return;
	memcpy(other->magic, own->magic, sizeof(own->magic));
	other->version = own->version;
	other->header_size = own->header_size;
	other->capacity = own->capacity;
	other->mean = own->mean;
	other->process = own->process;
	other->began = own->began;
	other->python = own->python;
	other->flags = own->flags;
}

bool image_init(void)
{
	void *map = NULL;

	for (capacity = CAPACITY_MOST; !map && capacity >= CAPACITY_LEAST; capacity /= 2)
		map = os_map_aligned(capacity, os_page_size());
	capacity *= 2;
	if (!map)
		return false;
	os_advise_huge(map, capacity, OS_HUGE_NEVER);
	os_label(map, capacity, "arenite profile");
	own = map;
	memcpy(own->magic, PROFILE_MAGIC, sizeof(own->magic));
	own->version = PROFILE_VERSION;
	own->header_size = (uint32_t)align_up(sizeof(*own), RECORD_ALIGN);
	own->capacity = capacity;
	store_relaxed(&own->x_used, own->header_size);
	own->mean = option(OPTION_PROFILE);
	own->process = (uint64_t)getpid();
	own->began = (uint64_t)time(NULL);
	share();
	return true;
}

/* The child goes on with the samples of its parent, because it has its blocks, too.  Its copy has a
 * prefix of what each other thread of the parent had written.  The old memfd must not be written
 * to, nor found by readers: if there is no new one, there is none. */
void image_fork_child(void)
{
	if (!own)
		return;
	own->process = (uint64_t)getpid();
	if (!shared)
		return;
	os_unshare(&memfd);
	share();
}

/* ---- records --------------------------------------------------------------------------------- */

/* The length is written at once, in both copies, so that readers can pass a record whose thread
 * takes its time. */
static struct record *begin_record(uint64_t at, size_t length)
{
	struct record *record = image_at(at);

	record->length = (uint32_t)length;
	record->check = record_check(at);
	if (shared) {
		struct record *other = (struct record *)twin(record);

		other->check = record->check;
		other->length = record->length;
	}
	return record;
}

struct record *image_take(size_t length)
{
	uint64_t at = load_relaxed(&own->x_used);

	length = align_up(length, RECORD_ALIGN);
	do {
		if (at + length > capacity) {
			image_add(&own->x_dropped, 1);
			return NULL;
		}
		arn_yield_point("image_take");
	} while (!cas_acq_rel(&own->x_used, &at, at + length)); /* V7 */
	if (shared) {
		_Atomic uint64_t *used = &((struct profile_header *)shared)->x_used;
		uint64_t seen = load_relaxed(used);

		while (seen < at + length && !cas_release(used, &seen, at + length)) /* V7 */
			;
	}
	return begin_record(at, length);
}

void image_publish(struct record *record, enum record_kind kind)
{
	const size_t head = sizeof(struct record);

	if (shared) {
		struct record *other = (struct record *)twin(record);

		memcpy((char *)other + head, (char *)record + head, record->length - head);
		store_release(&other->x_kind, kind); /* V1 */
	}
	store_release(&record->x_kind, kind); /* V1 */
}

void image_add(_Atomic uint64_t *sum, uint64_t n)
{
	uint64_t now = add_relaxed(sum, n) + n;

	if (shared)
		store_relaxed((_Atomic uint64_t *)twin(sum), now);
}

/* A reader that finds the version odd, or another one after it has read than before, reads again:
 * V2. */
void image_update(struct record_sample *sample)
{
	struct record *other = (struct record *)twin(sample);
	uint32_t version = load_relaxed(&sample->head.x_version);
	const size_t head = sizeof(struct record);

	store_relaxed(&sample->head.x_version, version + 2);
	if (!shared)
		return;
	exchange_seq(&other->x_version, version + 1); /* V2 */
	memcpy((char *)other + head, (char *)sample + head,
	       offsetof(struct record_sample, turn) - head);
	store_release(&other->x_version, version + 2); /* V2 */
}

/* A record that is not complete may lie between complete ones; one without a length ends the walk,
 * which is for one thread that knows no better. */
static struct record *complete_from(uint64_t at)
{
	while (at < load_acquire(&own->x_used)) { /* V7 */
		struct record *record = image_at(at);

		if (record->length == 0)
			return NULL;
		if (load_acquire(&record->x_kind) != RECORD_NONE) /* V1 */
			return record;
		at += record->length;
	}
	return NULL;
}

struct record *image_first(void)
{
	return own ? complete_from(own->header_size) : NULL;
}

struct record *image_next(struct record *record)
{
	return complete_from(image_place(record) + record->length);
}

struct record *image_record(uint64_t place, enum record_kind kind)
{
	struct record *record = image_at(place);

	if (!own || place % RECORD_ALIGN != 0 || place < own->header_size ||
	    place >= load_acquire(&own->x_used)) /* V7 */
		return NULL;
	return load_acquire(&record->x_kind) == kind ? record : NULL; /* V1 */
}

bool image_write(int fd)
{
	return text_write_all(fd, own, load_acquire(&own->x_used)); /* V7 */
}
