/* SPDX-License-Identifier: MIT
 *
 * idle - 300 000 blocks of 512, 1024 and 2048 bytes, mixed, of which one in twenty stays: how much
 * of the peak goes back at once, and how much after a while in which nothing happens.  The
 * survivors stand far apart, so hardly any pool falls empty: what goes back is pages between them.
 * Most that can go back, by pages of 4 KiB: 79 % if every twentieth stays, 81 % if they are chosen
 * by lot.
 *
 * MEMORY_IDLE     seconds of idling (10)
 */
#include "memory.h"

static size_t size_of(size_t i)
{
	static const size_t sizes[6] = { 512, 1024, 512, 2048, 512, 1024 };

	return sizes[i % 6];
}

static double idle_seconds(void)
{
	const char *s = getenv("MEMORY_IDLE");

	return s ? atof(s) : 10;
}

static uint64_t rng = 88172645463325252u;

static bool every(size_t i)
{
	return i % 20 == 0;
}

static bool by_lot(size_t i)
{
	(void)i;
	return bench_random(&rng) >> 20 & 1 ? false : (bench_random(&rng) >> 20) % 10 == 0;
}

static void returned(const char *name, size_t before, size_t peak)
{
	metric(name, 100 * above(peak, resident()) / above(peak, before));
}

static void drop(double scale, bool (*stays)(size_t i))
{
	size_t n = scaled(300000, scale), before, peak;
	char **block = table(n * sizeof *block);

	before = resident();
	for (size_t i = 0; i < n; i++) {
		block[i] = bench_take(size_of(i));
		memset(block[i], (int)i, size_of(i));
	}
	peak = resident();
	metric("peak", above(peak, before));
	for (size_t i = 0; i < n; i++) {
		if (stays(i))
			continue;
		bench_free(block[i]);
		block[i] = NULL;
	}
	returned("returned_at_once", before, peak);
	pause_seconds(idle_seconds());
	returned("returned_idle", before, peak);
	for (size_t i = 0; i < n; i++)
		if (block[i] && (block[i][0] != (char)i || block[i][size_of(i) - 1] != (char)i))
			bench_die("idle", "a block that stayed has changed");
}

static void drop_every(double scale)
{
	drop(scale, every);
}

static void drop_by_lot(double scale)
{
	drop(scale, by_lot);
}

static const struct memory_case cases[] = {
	{ "every", drop_every },
	{ "lot", drop_by_lot },
};

MEMORY_MAIN(cases)
