/* SPDX-License-Identifier: MIT
 *
 * sizeclass.h - size to class, class to size: pure functions and one constant table.
 *
 * 16 bytes apart up to 256, then 8 classes for each doubling up to 8 KiB, then 4 up to 128 KiB: at
 * most 12.5 % (above 8 KiB: 25 %) of a block is padding.  Every class is a multiple of 16.  A block
 * of more than a slice is alone in its pool, as a large one is; it has a class so that a program
 * which takes and drops such buffers finds them in the pool cache.
 */
#ifndef ARN_SIZECLASS_H
#define ARN_SIZECLASS_H

#include "base/base.h"

#define CLASSES     72
#define CLASS_LARGE CLASSES        /* a pool of one block */
#define SMALL_MAX   (128 * KIB)    /* the largest class */
#define TABLE_MAX   ((size_t)1024) /* class by table up to here */
#define SLICE_SHIFT 16
#define SLICE       ((size_t)1 << SLICE_SHIFT) /* the unit that arenas hand out */
#define ALIGNMENT   ((size_t)16)               /* of every block */
#define BLOCKS_MAX  2048                       /* blocks of a pool */

static_assert(SLICE % PAGE_MAX == 0, "a slice can go back to the system by itself");

struct sizeclass {
	uint32_t size;     /* bytes of a block */
	uint32_t inverse;  /* ceil(2^32 / size): exact for the offsets of blocks */
	uint16_t capacity; /* blocks of a pool */
	uint16_t slices;   /* slices of a pool */
};

extern const struct sizeclass sizeclasses[CLASSES];
extern const uint8_t sizeclass_table[TABLE_MAX / 16 + 1] PRIVATE(sizeclass_table);

/* The class of a request of `size` bytes, size <= TABLE_MAX. */
static inline unsigned sizeclass_small(size_t size)
{
	return sizeclass_table[(size + 15) >> 4];
}

/* The same for TABLE_MAX < size <= SMALL_MAX. */
static inline unsigned sizeclass_medium(size_t size)
{
	unsigned k = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^k < size <= 2^(k+1) */

	if (k < 13)
		return (k - 8) * 8 + 16 - 8 + (unsigned)((size - 1) >> (k - 3));
	return (k - 13) * 4 + 56 - 4 + (unsigned)((size - 1) >> (k - 2));
}

static inline unsigned sizeclass_of(size_t size)
{
	return size <= TABLE_MAX ? sizeclass_small(size) : sizeclass_medium(size);
}

/*
 * Is each block of the class a multiple of the alignment, which is a power of two of at most SLICE?
 * Pools begin on slices, so a block lies as its size says.
 */
static inline bool sizeclass_is_aligned(unsigned cls, size_t alignment)
{
	return (sizeclasses[cls].size & (alignment - 1)) == 0;
}

/* The least class for `size` bytes, at most SMALL_MAX, whose blocks are so aligned.  The largest
 * class is two slices and has every alignment up to that. */
static inline unsigned sizeclass_aligned(size_t size, size_t alignment)
{
	unsigned cls = sizeclass_of(size);

	while (!sizeclass_is_aligned(cls, alignment))
		cls++;
	return cls;
}

/* offset / size for any offset inside a pool, by multiplication with the class's inverse. */
static inline uint32_t sizeclass_index(uint32_t inverse, size_t offset)
{
	return (uint32_t)(((uint64_t)offset * inverse) >> 32);
}

#endif
