/* SPDX-License-Identifier: MIT
 *
 * model.c - the patterns in blocks, and the comparison of walks and statistics with the items.
 *
 * A check may only fail for a fault of the allocator, so what an exact allocator may still report
 * differently, such as remote frees that a thread gathers, is allowed for where it is compared.
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress/stress.h"

#include "base/option.h"
#include "heap/types.h"

enum { MESSAGES_MAX = 20 };

void stress_fail(const char *fmt, ...)
{
	char line[300];
	va_list ap;

	if (add_relaxed(&stress.x_failures, 1) >= MESSAGES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	dprintf(2, "arenite stress: %s\n", line);
}

/* splitmix64 */
uint64_t stress_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/*
 * The pattern has at each place a word that depends on the cookie and on the place.  Blocks of up
 * to 1 KiB are covered as a whole, larger ones at both ends and once in each KiB, so that the tool
 * does not spend its time on writing.
 */
static size_t pattern_next(size_t at, size_t size)
{
	return at + (size <= 1024 || at < 256 || at + 1280 > size ? 8 : 1024);
}

static uint64_t pattern_word(uint64_t cookie, size_t at)
{
	return cookie ^ at * 0x9e3779b97f4a7c15u;
}

void stress_fill(struct stress_item *item, uint64_t salt)
{
	uint64_t state = salt ^ (uintptr_t)item->block ^ (uint64_t)item->size << 48;
	size_t at, whole = item->size & ~(size_t)7;

	item->cookie = stress_random(&state);
	for (at = 0; at < whole; at = pattern_next(at, whole)) {
		uint64_t word = pattern_word(item->cookie, at);

		memcpy(item->block + at, &word, sizeof word);
	}
	for (at = whole; at < item->size; at++)
		item->block[at] = (char)pattern_word(item->cookie, at);
}

static bool pattern_fails(const struct stress_item *item, size_t at)
{
	stress_fail("block %p of %zu bytes, kind %d, worker %d: foreign content at byte %zu",
	            (void *)item->block, item->size, item->kind, item->worker, at);
	return false;
}

/* The first `limit` bytes of the block, which may have moved to another place, hold the pattern. */
bool stress_verify(const struct stress_item *item, size_t limit)
{
	size_t at, whole = item->size & ~(size_t)7;

	for (at = 0; at < whole && at + 8 <= limit; at = pattern_next(at, whole)) {
		uint64_t word = pattern_word(item->cookie, at);

		if (memcmp(item->block + at, &word, sizeof word))
			return pattern_fails(item, at);
	}
	for (at = whole; at < item->size && at < limit; at++)
		if (item->block[at] != (char)pattern_word(item->cookie, at))
			return pattern_fails(item, at);
	return true;
}

void stress_check_zero(const struct stress_item *item)
{
	for (size_t at = 0; at < item->size; at++) {
		if (item->block[at]) {
			stress_fail("calloc of %zu bytes, kind %d: byte %zu is not zero",
			            item->size, item->kind, at);
			return;
		}
	}
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The items with a block in Arenite's heaps, sorted by address; filled at each stop. */
static struct stress_item **by_address;
static size_t by_address_count;

/*
 * How many blocks were visited at this stop although they are free, because the thread that freed
 * them has not sent them home yet.
 */
static size_t gathered;

enum { GATHERED_MAX = 64 };

/* How many threads may have gathered blocks. */
static size_t threads_alive(void)
{
	size_t n = 0;

	for (unsigned i = 0; i < stress.threads; i++)
		n += load_acquire(&stress.workers[i].x_stopped) != WORKER_EMPTY;
	return n;
}

struct walk {
	const char *what;
	bool own_family;
	unsigned tag;
	const struct stress_worker *worker; /* NULL: heaps without an owner */
	size_t area_used, area_seen;
	const struct arn_area *area;
	char *area_start;
};

static int compare_items(const void *a, const void *b)
{
	const struct stress_item *x = *(struct stress_item *const *)a,
				 *y = *(struct stress_item *const *)b;

	return (x->block > y->block) - (x->block < y->block);
}

/* Prepare for the walks of one stop.  The memory comes from libc, which is not under test. */
static void sort_items(void)
{
	if (!by_address)
		by_address = malloc(stress.item_count * sizeof *by_address);
	if (!by_address)
		abort();
	by_address_count = 0;
	for (size_t i = 0; i < stress.item_count; i++) {
		struct stress_item *item = &stress.items[i];

		item->seen = false;
		if (item->block && item->kind != KIND_RAW)
			by_address[by_address_count++] = item;
	}
	qsort(by_address, by_address_count, sizeof *by_address, compare_items);
}

static struct stress_item *find_item(const void *block)
{
	struct stress_item key = { .block = (char *)block }, *at = &key;
	struct stress_item **found = bsearch(&at, by_address, by_address_count, sizeof *by_address,
	                                     compare_items);

	return found ? *found : NULL;
}

static bool own_family(const struct stress_item *item)
{
	return item->kind < KIND_NEW;
}

/* The area that was visited last is complete: its number of live blocks must be what was found. */
static void area_end(struct walk *walk)
{
	if (walk->area_used != walk->area_seen)
		stress_fail("%s: an area says %zu live blocks, the walk found %zu", walk->what,
		            walk->area_used, walk->area_seen);
}

static void area_begin(struct walk *walk, const struct arn_area *area)
{
	area_end(walk);
	walk->area_used = area->used;
	walk->area_seen = 0;
	walk->area_start = area->blocks;
	if (area->block_size > area->full_block_size || area->full_block_size > area->reserved ||
	    area->committed > area->reserved)
		stress_fail("%s: area of %zu/%zu bytes, blocks of %zu/%zu", walk->what,
		            area->committed, area->reserved, area->block_size,
		            area->full_block_size);
}

/*
 * A block must be at a multiple of the block size in its area, and have the size that the area
 * says.
 */
static void check_place(const struct walk *walk, const struct arn_area *area, const char *block,
                        size_t size)
{
	size_t at = (size_t)(block - walk->area_start);

	if (block < walk->area_start || at % area->full_block_size || at + size > area->reserved)
		stress_fail("%s: block %p at an odd place of its area", walk->what,
		            (const void *)block);
	if (size != area->block_size || arn_usable_size(block) > size ||
	    (arn_usable_size(block) < size && option(OPTION_CHECKS) < 3))
		stress_fail("%s: block %p visited with %zu bytes, usable %zu", walk->what,
		            (const void *)block, size, arn_usable_size(block));
}

bool stress_is_sample(const void *block)
{
	return load_relaxed(&pool_find(block)->x_heap)->sampled;
}

/*
 * A block that a worker has allocated from its own handles in its present life must be in that
 * worker's heap, or as a sample of the profile in one without an owner.  Blocks of earlier lives,
 * and those of the domains, may be in any.
 */
static void check_owner(const struct walk *walk, const struct stress_item *item)
{
	const struct stress_worker *owner = &stress.workers[item->worker];
	bool bound = item->kind <= KIND_NEW && item->life == owner->life;

	if (stress_is_sample(item->block))
		owner = NULL;
	if (bound && walk->worker != owner)
		stress_fail("%s: block %p belongs to the heap of worker %d, which lives",
		            walk->what, (void *)item->block, item->worker);
}

/*
 * The walk has met a block of which the model knows nothing.  For the tags MEM and OBJECT that may
 * be a block that another thread has freed: a thread gathers up to 64 of them before they are sent
 * home, and a walk of a family with a provider leaves the records of other threads alone.  For a
 * collector's tags it is a failure.
 */
static void visit_unknown(const struct walk *walk, const void *block, size_t size)
{
	if (!walk->own_family && stress.partial)
		return;
	if (walk->own_family && walk->tag < ARN_TAG_GC &&
	    ++gathered <= GATHERED_MAX * threads_alive())
		return;
	stress_fail("%s, tag %u: block %p of %zu bytes is visited, but not alive", walk->what,
	            walk->tag, block, size);
}

/*
 * The visitor: each live block must be met once, with the tag, the family and the size that the
 * model has.
 */
static bool visit(const arn_heap *heap, const struct arn_area *area, void *block, size_t size,
                  void *arg)
{
	struct walk *walk = arg;
	struct stress_item *item;

	(void)heap;
	if (!block) {
		area_begin(walk, area);
		return true;
	}
	walk->area_seen++;
	stress.walked++;
	check_place(walk, area, block, size);
	item = find_item(block);
	if (!item) {
		visit_unknown(walk, block, size);
		return true;
	}
	if (item->seen || item->tag != walk->tag || own_family(item) != walk->own_family ||
	    item->size > size)
		stress_fail(
			"%s: block %p of %zu bytes, tag %d, kind %d: visited %s, tag %u, %zu bytes",
			walk->what, block, item->size, item->tag, item->kind,
			item->seen ? "twice" : "once", walk->tag, size);
	item->seen = true;
	check_owner(walk, item);
	return true;
}

static void walk_heap(const struct stress_worker *worker, const arn_heap *heap, bool own,
                      unsigned tag)
{
	struct walk walk = {
		.what = own ? "heap" : "default heap",
		.own_family = own,
		.tag = tag,
		.worker = worker,
	};

	if (!arn_heap_visit(heap, true, visit, &walk))
		stress_fail("arn_heap_visit ended early");
	area_end(&walk);
}

static void walk_orphans(arn_family *family, unsigned tag)
{
	struct walk walk = { .what = family ? "orphans" : "default orphans",
		             .own_family = family,
		             .tag = tag };

	if (!arn_family_visit_orphans(family, tag, true, visit, &walk))
		stress_fail("arn_family_visit_orphans ended early");
	area_end(&walk);
}

/*
 * Each block that a walk must have met has been met.  These are the blocks of the tool's family,
 * and those of handles from arn_heap_new that still live; with `all` every block.
 */
static void check_seen(bool all)
{
	for (size_t i = 0; i < by_address_count; i++) {
		const struct stress_item *item = by_address[i];
		bool bound = item->kind == KIND_NEW &&
		             item->life == stress.workers[item->worker].life;

		if (!item->seen && (all || own_family(item) || bound))
			stress_fail("block %p of %zu bytes, tag %d, kind %d, worker %d: alive, but "
			            "not visited",
			            (void *)item->block, item->size, item->tag, item->kind,
			            item->worker);
	}
}

/* Walk all heaps of the workers and all heaps without an owner, and compare with the items. */
static void check_walks(bool all)
{
	sort_items();
	gathered = 0;
	for (unsigned i = 0; i < stress.threads; i++) {
		const struct stress_worker *worker = &stress.workers[i];

		for (unsigned tag = 0; tag < ARN_TAGS; tag++)
			walk_heap(worker, &worker->heap[tag], true, tag);
		if (worker->extra)
			walk_heap(worker, worker->extra, false, worker->extra_tag);
	}
	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		walk_orphans(stress.family, tag);
		walk_orphans(NULL, tag);
	}
	check_seen(all);
}

/* ---- statistics ------------------------------------------------------------------------------ */

/*
 * A number of the statistics, less what it was before the tool began, must be what the model says.
 */
static void check_number(const char *what, unsigned tag, size_t is, size_t base, size_t wanted)
{
	if (is - base != wanted)
		stress_fail("statistics, tag %u: %s is %zu, the model says %zu", tag, what,
		            is - base, wanted);
}

static void check_stats(void)
{
	struct arn_stats is, *base = &stress.base;
	size_t blocks[ARN_TAGS] = { 0 }, bytes[ARN_TAGS] = { 0 }, raw = 0, raw_bytes = 0;

	arn_stats_read(&is, sizeof(is));
	for (size_t i = 0; i < stress.item_count; i++) {
		const struct stress_item *item = &stress.items[i];

		if (item->block && item->kind == KIND_RAW) {
			raw++;
			raw_bytes += malloc_usable_size(item->block);
		} else if (item->block) {
			blocks[item->tag]++;
			bytes[item->tag] += arn_usable_size(item->block);
		}
	}
	for (unsigned t = 0; t < ARN_TAGS; t++) {
		check_number("live_blocks", t, is.tag[t].live_blocks, base->tag[t].live_blocks,
		             blocks[t]);
		if (option(OPTION_CHECKS) < 3) /* usable bytes are fewer there */
			check_number("live_bytes", t, is.tag[t].live_bytes, base->tag[t].live_bytes,
			             bytes[t]);
	}
	check_number("raw_mallocs - raw_frees", 0, is.raw_mallocs - is.raw_frees,
	             base->raw_mallocs - base->raw_frees, raw);
	check_number("raw_live_bytes", 0, is.raw_live_bytes, base->raw_live_bytes, raw_bytes);
}

/*
 * A child that knows only its own blocks cannot compare statistics, and its walk is for what its
 * own family has.
 */
void stress_check_all(bool all)
{
	if (!stress.partial)
		check_stats();
	if (stress.walks || stress.partial)
		check_walks(all && !stress.partial);
	for (size_t i = 0; i < stress.item_count; i++)
		if (stress.items[i].block)
			stress_verify(&stress.items[i], stress.items[i].size);
}
