/* SPDX-License-Identifier: MIT */
#include "heap/sample.h"

#include "arena/meta.h"
#include "base/option.h"

#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- numbers --------------------------------------------------------------------------------- */

/* splitmix64: each state gives one number, and no two states the same one. */
static uint64_t draw(struct sample_meter *meter)
{
	uint64_t z = meter->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* The natural logarithm of a number from 1 to 2: 2 atanh((x - 1) / (x + 1)), which is exact to 9
 * digits.  The library does without libm. */
static double log_of_mantissa(double x)
{
	double t = (x - 1) / (x + 1), s = t * t;

	/* the factors are constants, so that t has the only division */
	return 2 * t *
	       (1 + s * (1. / 3 +
	                 s * (1. / 5 +
	                      s * (1. / 7 +
	                           s * (1. / 9 + s * (1. / 11 + s * (1. / 13 + s * (1. / 15))))))));
}

/* -ln(u) for a number u that is uniform between 0 and 1.  The leading zeros of a random word give
 * the exponent, each half as likely as the one before, and the bits behind the first one the
 * mantissa. */
static double draw_exponential(struct sample_meter *meter)
{
	uint64_t word = draw(meter) | 1;
	unsigned zeros = (unsigned)__builtin_clzll(word);
	double mantissa = 1 + (double)(draw(meter) >> 11) * 0x1p-53;

	return (zeros + 1) * 0.693147180559945309 - log_of_mantissa(mantissa);
}

/* The chance of a small x as a series; for others, the chance of x is that of x / 2 twice. */
double sample_chance(size_t counted)
{
	double x = (double)counted / (double)max_size(1, option(OPTION_PROFILE)), chance;
	unsigned doublings = 0;

	if (option(OPTION_PROFILE) == 0 || x > 40)
		return 1;
	for (; x > 0.0625; doublings++)
		x /= 2;
	chance = x * (1 - x * (1. / 2 -
	                       x * (1. / 6 - x * (1. / 24 - x * (1. / 120 - x * (1. / 720))))));
	for (; doublings > 0; doublings--)
		chance = 2 * chance - chance * chance;
	return chance;
}

/* With option GUARD alone the line is one of blocks.  The distance is a whole number then, and each
 * block the next sample with the chance 1 / GUARD, whatever the ones before it were. */
static double mean(void)
{
	double n = (double)option(OPTION_GUARD);

	if (option(OPTION_PROFILE) > 0)
		return (double)option(OPTION_PROFILE);
	return n > 1 ? 1 / log_of_mantissa(n / (n - 1)) : 0;
}

void sample_restart(struct sample_meter *meter)
{
	double distance = draw_exponential(meter) * mean();

	if (BUG(even_distances))
		distance = (double)option(OPTION_PROFILE);
	meter->face.left = (size_t)distance;
}

bool sample_is_guarded(struct sample_meter *meter)
{
	if (option(OPTION_GUARD) == 0)
		return false;
	if (option(OPTION_PROFILE) == 0)
		return true;
	meter->passed = (uint32_t)((meter->passed + 1) % option(OPTION_GUARD));
	return meter->passed == 0;
}

/* ---- meters ---------------------------------------------------------------------------------- */

/* A seed that other heaps, processes and runs do not have.  A system without random numbers gives
 * the clock and addresses.  libc's getrandom(2) is a cancellation point: a thread that was
 * cancelled would end here, in the middle of malloc. */
static uint64_t seed_for(const struct heap *heap)
{
	struct timespec now = { 0 };
	uint64_t seed = 0;

	if (syscall(SYS_getrandom, &seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(uintptr_t)heap * 0x9e3779b97f4a7c15 ^ (uint64_t)now.tv_nsec << 20 ^
	       (uint64_t)now.tv_sec;
}

struct heap *sample_take_heap(void)
{
	struct metered_heap *pair;

	if (sample_counting() == COUNT_NOTHING)
		return meta_take(sizeof(struct heap), CACHE_LINE);
	pair = meta_take(sizeof(*pair), CACHE_LINE);
	return pair ? &pair->heap : NULL;
}

void sample_attach(struct heap *heap)
{
	struct sample_meter *meter;

	if (sample_counting() == COUNT_NOTHING)
		return;
	meter = &container_of(heap, struct metered_heap, heap)->meter;
	meter->random = seed_for(heap);
	meter->face.self = heap;
	meter->face.face = &meter->face;
	sample_restart(meter);
	meter->passed = (uint32_t)(draw(meter) % max_size(1, option(OPTION_GUARD)));
	heap->face = &meter->face;
}
