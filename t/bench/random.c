/* SPDX-License-Identifier: MIT
 *
 * random - one thread, a working set: each operation frees a random one of its blocks and allocates
 * another of random size.  small: what a Python program asks for, mostly 16 to 512 bytes.  mixed:
 * now and then up to 64 KiB, rarely up to 1 MiB.
 */
#include "bench.h"

enum { SLOTS = 100000 };
static void *slot[SLOTS];
static uint64_t rng = 88172645463325252u;

static size_t size_small(uint64_t r)
{
	static const unsigned char common[16] = { 16, 24, 32, 32, 40, 48, 48,  56,
		                                  56, 64, 64, 72, 80, 96, 112, 128 };

	return r & 0xf000 ? common[r & 15] : 16 + (r >> 16) % 497;
}

static size_t size_mixed(uint64_t r)
{
	if (r & 0x3f000)
		return size_small(r);
	return (r & 0x3f00000 ? 1024 : 65536) + (r >> 32) % (r & 0x3f00000 ? 64512 : 983040);
}

static long lap(const struct bench_case *c)
{
	enum { OPS = 10000 };

	for (int i = 0; i < OPS; i++) {
		uint64_t r = bench_random(&rng);
		void **at = &slot[(r >> 8) % c->a];

		r = bench_random(&rng);
		if (*at)
			bench_free(*at);
		*at = bench_take(c->b ? size_mixed(r) : size_small(r));
	}
	return OPS;
}

static const struct bench_case cases[] = {
	{ "set1000-small", 1000, 0, lap, CLOCK_PROCESS_CPUTIME_ID },
	{ "set100000-small", 100000, 0, lap, CLOCK_PROCESS_CPUTIME_ID },
	{ "set1000-mixed", 1000, 1, lap, CLOCK_PROCESS_CPUTIME_ID },
	{ "set10000-mixed", 10000, 1, lap, CLOCK_PROCESS_CPUTIME_ID },
};

BENCH_MAIN(cases)
