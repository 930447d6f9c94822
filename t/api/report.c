/* SPDX-License-Identifier: MIT
 *
 * report - a program for t/api/report.sh: it allocates for as long as it is told.
 *
 *     report SECONDS MIB    keep about so many MiB, and go on freeing blocks and making others
 */
#include <arenite/arenite.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *make(size_t size)
{
	void *block = arn_mem_malloc(size);

	if (block)
		memset(block, 1, size);
	return block;
}

int main(int argc, char **argv)
{
	double end = seconds() + (argc > 1 ? atof(argv[1]) : 1);
	size_t n = (argc > 2 ? strtoul(argv[2], NULL, 10) : 8) << 10;
	void **kept = arn_raw_malloc(n * sizeof(*kept));

	for (size_t i = 0; i < n; i++)
		kept[i] = make(1024);
	puts("ready");
	fflush(stdout);
	for (size_t i = 0; seconds() < end; i = (i + 1) % n)
		for (unsigned k = 0; k < 300; k++) {
			arn_mem_free(kept[(i + k) % n]);
			kept[(i + k) % n] = make(1000 + (i * 7 + k * k) % 13 * 100);
		}
	for (size_t i = 0; i < n; i++)
		arn_mem_free(kept[i]);
	arn_raw_free(kept);
	return 0;
}
