/* SPDX-License-Identifier: MIT
 *
 * sizeclass - every size up to SMALL_MAX, and every byte of a pool of each class.  These are pure
 * functions, so nothing here needs threads.
 */
#include "support/core.h"

#include "arena/sizeclass.h"

/* The rule of the header, by a search and not by the formula. */
static unsigned smallest_that_fits(size_t size)
{
	unsigned cls = 0;

	while (sizeclasses[cls].size < size)
		cls++;
	return cls;
}

static void test_choice(void)
{
	for (size_t size = 0; size <= SMALL_MAX; size++)
		expect(sizeclass_of(size) == smallest_that_fits(size));
	no_errors("each size gets the smallest class that holds it");
	for (size_t size = 257; size <= TABLE_MAX; size++)
		expect(sizeclass_medium(size) == sizeclass_small(size));
	no_errors("table and formula agree where both apply");
	ok(sizeclass_of(0) == 0 && sizeclass_of(SMALL_MAX) == CLASSES - 1,
	   "from the first class to the last");
}

static void test_padding(void)
{
	for (size_t size = 128; size <= SMALL_MAX; size++) {
		size_t block = sizeclasses[sizeclass_of(size)].size;

		expect((block - size) * (size > 8 * KIB ? 4 : 8) <= block);
	}
	no_errors("at most an eighth of a block is padding, above 8 KiB a quarter");
}

static void test_shape(void)
{
	for (unsigned cls = 0; cls < CLASSES; cls++) {
		const struct sizeclass *c = &sizeclasses[cls];
		size_t used = (size_t)c->capacity * c->size, span = c->slices * SLICE;

		expect(c->size % 16 == 0 && (cls == 0 || c->size > c[-1].size));
		expect(c->capacity >= 1 && c->capacity <= BLOCKS_MAX && used <= span);
		expect(c->capacity == BLOCKS_MAX || span - used < c->size);
		if (c->size > SLICE)
			expect(c->capacity == 1 && span == 2 * SLICE);
		else
			expect(c->capacity == BLOCKS_MAX || (span - used) * 8 <= span);
	}
	no_errors("multiples of 16 in order, pools that are filled and waste at most an eighth; "
	          "of more than a slice, one block in two slices");
}

/*
 * The index is exact where blocks start, and a byte inside a block or behind the last one is never
 * taken for a start.
 */
static void test_index(void)
{
	for (unsigned cls = 0; cls < CLASSES; cls++) {
		const struct sizeclass *c = &sizeclasses[cls];

		for (size_t offset = 0; offset < c->slices * SLICE; offset++) {
			uint32_t index = sizeclass_index(c->inverse, offset);
			bool starts = index < c->capacity && (size_t)index * c->size == offset;

			expect(starts == (offset % c->size == 0 && offset / c->size < c->capacity));
			expect(index <= offset / c->size + 1);
		}
	}
	no_errors("the block of each byte, by multiplication");
}

int main(void)
{
	test_choice();
	test_padding();
	test_shape();
	test_index();
	return done();
}
