/* SPDX-License-Identifier: MIT */
#include "profile/profile.h"

#include "arena/pool.h"
#include "base/option.h"
#include "base/text.h"
#include "heap/sample.h"
#include "heap/thread.h"
#include "os/os.h"
#include "profile/image.h"
#include "profile/lookup.h"
#include "profile/python-offset.h"
#include "profile/spare.h"
#include "profile/frames.h"

#include <fcntl.h>
#include <unistd.h>

static _Atomic bool x_ready;    /* V5 */
static _Atomic uint64_t x_turn; /* samples that were freed */

/* ---- samples by address ---------------------------------------------------------------------- */

static uint64_t hash_of(const void *block)
{
	uint64_t hash = ((uint64_t)(uintptr_t)block >> 4) * 0x9e3779b97f4a7c15;

	if (BUG(spare_at_once))
		hash &= 7; /* lists are long, and each record in them is compared */
	return hash ^ hash >> 32;
}

static bool is_of(const struct record *record, const void *block)
{
	const struct record_sample *sample = (const struct record_sample *)record;

	return load_relaxed(&record->x_kind) == RECORD_SAMPLE &&
	       sample->address == (uint64_t)(uintptr_t)block;
}

static struct record_sample *find(const void *block)
{
	if (!load_acquire(&x_ready)) /* V5 */
		return NULL;
	return (struct record_sample *)lookup_find(hash_of(block), is_of, block);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void add_to(struct record_sums *sums, const struct record_sample *sample)
{
	image_add(&sums->x_blocks, (uint64_t)(sample->blocks * 256 + 0.5));
	image_add(&sums->x_bytes, (uint64_t)(sample->blocks * (double)sample->size + 0.5));
}

static bool has_ends(const struct record *record, const void *key)
{
	const struct record_edge *edge = (const struct record_edge *)record;

	return load_relaxed(&record->x_kind) == RECORD_EDGE &&
	       memcmp(&edge->made_at, key, 2 * sizeof(uint64_t)) == 0;
}

/* The record for what was made at one stack and freed at another, made now if it is new.  NULL: the
 * image is full. */
static struct record_edge *edge_between(uint64_t made_at, uint64_t freed_at)
{
	const uint64_t key[2] = { made_at, freed_at };
	uint64_t hash = made_at * 0x9e3779b97f4a7c15 + freed_at * 0xbf58476d1ce4e5b9;
	struct record *record = lookup_find_kept(hash, has_ends, key);
	struct record_edge *edge;

	if (record)
		return (struct record_edge *)record;
	record = image_take(sizeof(*edge));
	if (!record)
		return NULL;
	edge = (struct record_edge *)record;
	record->hash = hash;
	edge->made_at = made_at;
	edge->freed_at = freed_at;
	image_publish(record, RECORD_EDGE);
	return (struct record_edge *)lookup_add(record, has_ends, key);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Fills in a record that is in no table, and shows it to readers. */
static void describe(struct record_sample *sample, const void *block, size_t size, size_t counted,
                     unsigned tag, uint64_t made_at)
{
	sample->head.hash = hash_of(block);
	sample->state = SAMPLE_LIVE;
	sample->tag = tag;
	sample->address = (uint64_t)(uintptr_t)block;
	sample->size = size;
	sample->counted = counted;
	sample->made_at = made_at;
	sample->freed_at = 0;
	sample->made_by = os_thread_number();
	sample->freed_by = 0;
	image_update(sample);
	if (load_relaxed(&sample->head.x_kind) == RECORD_NONE)
		image_publish(&sample->head, RECORD_SAMPLE);
}

void profile_made(const void *block, size_t size, size_t counted, double blocks, unsigned tag)
{
	struct record_stack *stack;
	struct record_sample *sample;

	if (!load_acquire(&x_ready)) /* V5 */
		return;
	thread_self(); /* a thread with a record has a trail */
	stack = frames_here(true);
	sample = stack ? spare_take() : NULL;
	if (!sample)
		return;
	sample->blocks = blocks;
	describe(sample, block, size, counted, tag, image_place(stack));
	add_to(&stack->made, sample);
	lookup_add(&sample->head, is_of, block);
}

void profile_resized(const void *block, size_t size, size_t counted)
{
	struct record_sample *sample = find(block);

	if (!sample)
		return;
	sample->size = size;
	if (counted) {
		sample->counted = counted;
		sample->blocks = 1 / sample_chance(counted);
	}
	image_update(sample);
}

/* The record is taken out of the table before the block is given back: from then on another sample
 * may be at its address. */
void profile_freed(const void *block)
{
	struct record_sample *sample = find(block);
	struct record_stack *stack, *made;
	struct record_edge *edge;

	if (!sample || !lookup_remove(&sample->head))
		return;
	stack = frames_here(false);
	made = image_at(sample->made_at);
	sample->state = SAMPLE_FREED;
	sample->freed_at = stack ? image_place(stack) : 0;
	sample->freed_by = os_thread_number();
	sample->turn = add_relaxed(&x_turn, 1) + 1;
	image_update(sample);
	add_to(&made->freed, sample);
	edge = stack ? edge_between(sample->made_at, sample->freed_at) : NULL;
	if (edge)
		add_to(&edge->all, sample);
	if (edge && sample->freed_by != sample->made_by)
		add_to(&edge->by_others, sample);
	spare_retire(sample);
}

/* ---- samples of the past --------------------------------------------------------------------- */

static bool has_address(const struct record *record, const void *address)
{
	const struct record_sample *sample = (const struct record_sample *)record;
	uint64_t offset = (uint64_t)(uintptr_t)address - sample->address;

	return load_relaxed(&record->x_kind) == RECORD_SAMPLE && offset < max_size(sample->size, 1);
}

/* Says of two samples with the same address which one tells more about it. */
static bool is_later(const struct record_sample *one, const struct record_sample *other)
{
	if (one->state != other->state)
		return one->state == SAMPLE_LIVE;
	return one->turn > other->turn;
}

/* Has something else been at this address since a sample was freed there?  Then the pool that is
 * there now is of a heap that has other blocks than samples. */
static bool is_reused(const void *address)
{
	struct pool_view view;

	return pool_look(address, &view) && !view.heap->sampled;
}

const struct record_sample *profile_last(const void *address)
{
	const struct record_sample *last = NULL;

	if (!load_acquire(&x_ready)) /* V5 */
		return NULL;
	for (struct record *record = image_first(); record; record = image_next(record)) {
		const struct record_sample *sample = (const struct record_sample *)record;

		if (has_address(record, address) && (!last || is_later(sample, last)))
			last = sample;
	}
	return last && (last->state == SAMPLE_LIVE || !is_reused(address)) ? last : NULL;
}

static uint64_t place_of(const struct record_stack *stack)
{
	return stack ? image_place(stack) : 0;
}

void profile_stacks(uint64_t *python, uint64_t *native)
{
	bool ready = load_acquire(&x_ready); /* V5 */

	*python = ready ? place_of(frames_python()) : 0;
	*native = ready ? place_of(frames_native()) : 0;
}

/* ---- process --------------------------------------------------------------------------------- */

static void say_unavailable(const char *why)
{
	struct text text = { 0 };

	text_add(&text, "no profile: ");
	text_add(&text, why);
	log_line(&text);
}

/* Looks for a Python, and says in the header what is known of it. */
static void find_python(void)
{
	struct profile_header *header = image_header();

	python_offset_init();
	header->python = python_at.version;
	header->flags &= ~PROFILE_NATIVE_ONLY;
	if (python_is_unknown())
		header->flags |= PROFILE_NATIVE_ONLY;
	image_publish_header();
}

void profile_init(void)
{
	const char *why;

	if ((option(OPTION_PROFILE) == 0 && option(OPTION_GUARD) == 0) || load_relaxed(&x_ready))
		return;
	why = image_init() ? lookup_init() : "there is no memory for it";
	if (why) {
		say_unavailable(why);
		return;
	}
	frames_init();
	find_python();
	store_release(&x_ready, true); /* V5 */
}

void profile_find_python(void)
{
	if (load_acquire(&x_ready)) /* V5 */
		find_python();
}

void profile_note_collector_apart(void)
{
	if (!load_acquire(&x_ready)) /* V5 */
		return;
	image_header()->flags |= PROFILE_COLLECTOR_APART;
	image_publish_header();
}

bool profile_is_on(void)
{
	return load_acquire(&x_ready) && option(OPTION_PROFILE) > 0; /* V5 */
}

/* The mappings are what /proc says, as far as it fits into one record. */
static void add_maps(void)
{
	const size_t most = 512 * KIB;
	struct record *record = image_take(sizeof(struct record_maps) + most);
	struct record_maps *maps = (struct record_maps *)record;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	while (record && fd >= 0 && n > 0 && maps->bytes < most) {
		n = read(fd, maps->text + maps->bytes, most - maps->bytes);
		maps->bytes += n > 0 ? (uint64_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	if (record)
		image_publish(record, RECORD_MAPS);
}

void profile_write(int fd)
{
	add_maps();
	image_write(fd);
}

void profile_fork_child(void)
{
	if (!load_relaxed(&x_ready))
		return;
	spare_fork_child();
	image_fork_child();
}
