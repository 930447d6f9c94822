/* SPDX-License-Identifier: MIT
 *
 * base.h - what every file needs: attributes, alignment and bit helpers, and arch.h.
 */
#ifndef ARN_BASE_H
#define ARN_BASE_H

#include "base/arch.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/* A variable that no other library sees is reached without a table. */
#define hidden                          __attribute__((visibility("hidden")))
#define noinline                        __attribute__((__noinline__))
#define cold                            __attribute__((__noinline__, __cold__))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
/*
 * A deliberate fault, which a test must find (t/unit/broken.sh): 1 where the compiler was told
 * -DARN_BUG_name, else 0.  The code of a fault is always compiled, and left out as if (0) is.
 */
#define BUG(name)                      BUG_EXPANDED(ARN_BUG_##name)
#define BUG_EXPANDED(value)            BUG_IS_SET(value)
#define BUG_IS_SET(value)              BUG_LOOK(BUG_SHIFT_##value)
#define BUG_LOOK(shift)                BUG_SECOND(shift 1, 0, 0)
#define BUG_SHIFT_1                    0,
#define BUG_SECOND(first, second, ...) second

#define array_length(a) (sizeof(a) / sizeof((a)[0]))

/*
 * What the fast paths need of the core is exported under a name that libarenite-python and
 * libarenite-malloc link with.  These names are for libraries of one version only, which is part of
 * the name; the core itself uses the hidden names.  With a core of another version all of them are
 * NULL, because they are weak, and the program runs without Arenite (python/install.c).  A version
 * of the symbols would keep such a program from starting.
 */
#define PRIVATE_NAME(name) __asm__("arn_private_" PACKAGE_VERSION "_" #name)
#ifdef ARN_OUTSIDE_CORE
#define PRIVATE(name) PRIVATE_NAME(name) __attribute__((weak))
/* For libarenite-malloc, which cannot do without the core: the loader says that there is none. */
#define PRIVATE_NEEDED(name) PRIVATE_NAME(name)
#else
#define PRIVATE(name)
#define PRIVATE_NEEDED(name)
#define EXPORT_PRIVATE(name)                                          \
	extern __typeof__(name) arn_private_##name PRIVATE_NAME(name) \
		__attribute__((alias(#name), visibility("default")))
#endif

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The least multiple of alignment, a power of two, that is not below n.  The caller has made sure
 * that the sum does not overflow. */
static inline size_t align_up(size_t n, size_t alignment)
{
	return (n + alignment - 1) & ~(alignment - 1);
}

/* The number of the lowest bit that is set; word is not 0. */
static inline unsigned lowest_bit(uint64_t word)
{
	return (unsigned)__builtin_ctzll(word);
}

/* The number of the highest bit that is set; word is not 0. */
static inline unsigned highest_bit(uint64_t word)
{
	return 63 - (unsigned)__builtin_clzll(word);
}

static inline unsigned count_bits(uint64_t word)
{
	return (unsigned)__builtin_popcountll(word);
}

/* A word with `count` ones from bit `first` up; what would lie beyond bit 63 is cut off. */
static inline uint64_t bit_run(unsigned first, unsigned count)
{
	return (count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1) << first;
}

/* How many ones there are in a row from bit `first` on, which is one. */
static inline unsigned run_length(uint64_t word, unsigned first)
{
	uint64_t rest = ~(word >> first);

	return rest ? lowest_bit(rest) : 64;
}

/* How many ones there are in a row from bit 63 down. */
static inline unsigned leading_ones(uint64_t word)
{
	return ~word ? 63 - highest_bit(~word) : 64;
}

/* Fill a struct of a caller that was compiled with another version and knows fewer fields of it, or
 * more: `size` bytes are written, and fields that this version does not know are zero. */
static inline void fill_struct(void *to, size_t size, const void *from, size_t known)
{
	memset(to, 0, size);
	memcpy(to, from, min_size(size, known));
}

/* A number for a text, by FNV-1a. */
static inline uint64_t hash_bytes(const char *bytes, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3;
	return hash;
}

#endif
