/* SPDX-License-Identifier: MIT
 *
 * blocks.c - blocks with a pattern.  A block that has lost its pattern was spoilt, or was handed
 * out twice.  Blocks are made and dropped in bundles.  The pattern is in the first words, then in
 * one word now and then, and in the last one, so a large block has pages that were never touched.
 */
#include "property/property.h"

#include "heap/large.h"

#include <errno.h>

_Atomic size_t live_bytes;
static _Atomic uint64_t x_key;
static _Atomic(void *) stale[64];

/* ---- the pattern ----------------------------------------------------------------------------- */

static uint64_t word_of(const struct item *item, size_t at)
{
	return item->key * 0x9e3779b97f4a7c15u + at;
}

static size_t after(const struct item *item, size_t at)
{
	if (at < 128)
		return at + 8;
	if (at < 64 * KIB)
		return at + 512;
	return at + (item->key % 2 ? PAGE_MIN : 64 * KIB);
}

static void write_pattern(const struct item *item)
{
	for (size_t at = 0; at + 8 < item->size; at = after(item, at))
		*(uint64_t *)(item->block + at) = word_of(item, at);
	if (item->size > 0)
		item->block[item->size - 1] = (unsigned char)item->key;
}

/* Check the pattern of what was there, in the first `size` bytes. */
static void check_words(const struct item *item, size_t size, const char *when)
{
	for (size_t at = 0; at + 8 < size; at = after(item, at))
		must(*(uint64_t *)(item->block + at) == word_of(item, at),
		     "%s: block %p of %zu bytes, family %u, tag %u, is spoilt at byte %zu", when,
		     (void *)item->block, item->size, item->family, item->tag, at);
}

static void check_pattern(const struct item *item, const char *when)
{
	check_words(item, item->size, when);
	if (item->size > 0)
		must(item->block[item->size - 1] == (unsigned char)item->key,
		     "%s: block %p of %zu bytes, family %u, "
		     "tag %u, is spoilt at its end",
		     when, (void *)item->block, item->size, item->family, item->tag);
}

static void check_zero(const struct item *item)
{
	for (size_t at = 0; at + 8 <= item->size;
	     at = item->size <= 4 * KIB ? at + 8 : after(item, at))
		must(*(uint64_t *)(item->block + at) == 0,
		     "calloc of %zu bytes is not zero at byte %zu", item->size, at);
	must(item->size == 0 || item->block[item->size - 1] == 0,
	     "calloc of %zu bytes is not zero at its end", item->size);
}

/* ---- single blocks --------------------------------------------------------------------------- */

void *face_malloc(const struct face *face, size_t size)
{
	if (face->handle)
		return arn_heap_malloc(face->handle, size);
	return face->tag == ARN_TAG_MEM ? arn_mem_malloc(size) : arn_obj_malloc(size);
}

static void *face_calloc(const struct face *face, size_t size)
{
	if (face->handle)
		return arn_heap_calloc(face->handle, 1, size);
	return face->tag == ARN_TAG_MEM ? arn_mem_calloc(size, 1) : arn_obj_calloc(1, size);
}

static void *face_realloc(const struct face *face, void *block, size_t size)
{
	if (face->handle)
		return arn_heap_realloc(face->handle, block, size);
	return face->tag == ARN_TAG_MEM ? arn_mem_realloc(block, size)
	                                : arn_obj_realloc(block, size);
}

static void check_answer(const void *block, size_t size)
{
	must(block || drawn.may_fail,
	     "no memory for %zu bytes, without a limit and with a system that gives", size);
	must(block || errno == ENOMEM, "NULL without ENOMEM");
	must((uintptr_t)block % 16 == 0, "block %p is not aligned", block);
}

static bool item_make(struct item *item, const struct face *face, size_t size, bool zero)
{
	void *block = zero ? face_calloc(face, size) : face_malloc(face, size);

	check_answer(block, size);
	if (!block)
		return false;
	*item = (struct item){ block, size, add_relaxed(&x_key, 1), (uint8_t)face->family,
		               (uint8_t)face->tag };
	if (zero)
		check_zero(item);
	write_pattern(item);
	add_relaxed(&live_bytes, size);
	return true;
}

static void item_drop(struct item *item)
{
	if (!item->block)
		return;
	check_pattern(item, "at its free");
	sub_relaxed(&live_bytes, item->size);
	store_relaxed(&stale[item->key % array_length(stale)], item->block);
	arn_free(item->block);
	item->block = NULL;
}

/* No block is larger than all that may be alive, to a quarter; but it may be in the arena of one of
 * twice the size, and have all of that one's pages. */
static size_t most_usable(void)
{
	return 2 * large_size(drawn.memory);
}

void blocks_ask_stale(void)
{
	for (unsigned i = 0; i < array_length(stale); i++) {
		void *block = load_relaxed(&stale[i]);

		must(arn_usable_size(block) <= most_usable(),
		     "a stale address has too many usable bytes");
		must(arn_tag_of(block) <= ARN_TAGS, "a stale address has no tag that there is");
		(void)load_relaxed((const _Atomic uintptr_t *)arn_owner(block));
	}
}

static void item_resize(struct item *item, const struct face *face, size_t size)
{
	unsigned char *moved;

	check_pattern(item, "at its realloc");
	moved = face_realloc(face, item->block, size);
	check_answer(moved, size);
	if (!moved) {
		check_pattern(item, "after a realloc that gave NULL");
		return;
	}
	if (moved != item->block) { /* else it is where it was */
		item->block = moved;
		item->family = (uint8_t)face->family;
		item->tag = (uint8_t)face->tag;
	}
	check_words(item, min_size(item->size, size), "after its realloc");
	add_relaxed(&live_bytes, size - item->size);
	item->size = size;
	write_pattern(item);
}

/* ---- bundles --------------------------------------------------------------------------------- */

struct shape {
	unsigned count;
	size_t size, spread;
};

static struct shape some_shape(struct rng *rng)
{
	size_t kind = rng_below(rng, 100);

	if (kind < 45)
		return (struct shape){ 1 + (unsigned)rng_below(rng, 200), rng_below(rng, 1000),
			               40 };
	if (kind < 55)
		return (struct shape){ 500 + (unsigned)rng_below(rng, 4000),
			               8 + rng_below(rng, 600), 1 };
	if (kind < 80)
		return (struct shape){ 1 + (unsigned)rng_below(rng, 60), rng_below(rng, 60000),
			               5000 };
	if (kind < 93)
		return (struct shape){ 1 + (unsigned)rng_below(rng, 6), 60000 + rng_below(rng, MIB),
			               100000 };
	if (kind < 98)
		return (struct shape){ 1 + (unsigned)rng_below(rng, 2),
			               MIB + rng_below(rng, 15 * MIB), 1 };
	return (struct shape){ 1, 16 * MIB + rng_below(rng, 24 * MIB), 1 };
}

static struct bundle *new_bundle(unsigned count)
{
	struct bundle *bundle = calloc(1, sizeof(*bundle) + count * sizeof(bundle->item[0]));

	must(bundle, "no memory for the test itself");
	return bundle;
}

struct bundle *bundle_make(const struct face *face, struct rng *rng)
{
	struct shape shape = some_shape(rng);
	bool zero = rng_below(rng, 4) == 0;
	struct bundle *bundle;

	if (load_relaxed(&live_bytes) + shape.count * (shape.size + shape.spread) > drawn.memory)
		return NULL;
	bundle = new_bundle(shape.count);
	while (bundle->count < shape.count &&
	       item_make(&bundle->item[bundle->count], face,
	                 shape.size + rng_below(rng, shape.spread), zero))
		bundle->count++;
	return bundle;
}

struct bundle *bundle_fill(const struct face *face, size_t size, size_t bytes)
{
	unsigned count = (unsigned)(bytes / size);
	struct bundle *bundle = new_bundle(count);

	while (bundle->count < count && item_make(&bundle->item[bundle->count], face, size, false))
		bundle->count++;
	return bundle;
}

void bundle_drop(struct bundle *bundle)
{
	if (!bundle)
		return;
	for (unsigned i = 0; i < bundle->count; i++)
		item_drop(&bundle->item[i]);
	free(bundle);
}

void bundle_drop_family(struct bundle *bundle, unsigned family)
{
	for (unsigned i = 0; bundle && i < bundle->count; i++)
		if (bundle->item[i].family == family)
			item_drop(&bundle->item[i]);
}

void bundle_thin(struct bundle *bundle, unsigned one_in, struct rng *rng)
{
	for (unsigned i = 0; i < bundle->count; i++)
		if (rng_below(rng, one_in) == 0)
			item_drop(&bundle->item[i]);
}

void bundle_resize(struct bundle *bundle, const struct face *face, struct rng *rng)
{
	for (unsigned n = 0; n < 8 && bundle->count; n++) {
		struct item *item = &bundle->item[rng_below(rng, bundle->count)];
		size_t size = rng_below(rng, 2) ? item->size + item->size / 8 + 1
		                                : rng_below(rng, 2 * item->size + 16);

		if (item->block && load_relaxed(&live_bytes) + size <= drawn.memory)
			item_resize(item, face, size);
	}
}
