/* SPDX-License-Identifier: MIT
 *
 * counted - the blocks of the libc names are counted apart from those of arn_mem_*, to the block,
 * also when other threads or the other domain's functions free them.  Both are of the tag MEM and
 * lie in the same arenas.
 */
#include "support/tap.h"

#include <arenite/arenite.h>
#include <pthread.h>

enum { N = 3000, SIZE = 200 };

static void *block[N];

static struct arn_stats now(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats;
}

/* Blocks of arn_mem_*: all of MEM but those of the libc names. */
static size_t of_mem(const struct arn_stats *stats)
{
	return stats->tag[ARN_TAG_MEM].live_blocks - stats->malloc.live_blocks;
}

static void *free_all(void *arg)
{
	for (int i = 0; i < N; i++)
		free(block[i]);
	return arg;
}

static void elsewhere(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, free_all, NULL);
	pthread_join(thread, NULL);
}

static void make(void *(*from)(size_t))
{
	for (int i = 0; i < N; i++)
		block[i] = from(SIZE);
}

static void libc_names(void)
{
	struct arn_stats before = now(), after;

	make(malloc);
	after = now();
	ok(after.malloc.live_blocks - before.malloc.live_blocks == N, "as many as were made");
	ok(after.malloc.live_bytes - before.malloc.live_bytes >= (size_t)N * SIZE &&
	           after.malloc.pools > 0 && after.malloc.pool_bytes > 0,
	   "and their bytes, in pools");
	ok(of_mem(&after) == of_mem(&before), "none of them is arn_mem's");
	elsewhere();
	/* What ended with the thread is not counted: its record, and what libc keeps for it. */
	after = now();
	ok(after.malloc.live_blocks <= before.malloc.live_blocks + 8,
	   "gone when another thread freed them");
	ok(of_mem(&after) == of_mem(&before), "which changes nothing for arn_mem");
}

static void mem_domain(void)
{
	struct arn_stats before = now(), after;

	make(arn_mem_malloc);
	after = now();
	ok(after.malloc.live_blocks == before.malloc.live_blocks,
	   "arn_mem's are not the libc names'");
	ok(of_mem(&after) - of_mem(&before) == N, "they are all there");
	ok((uintptr_t)block[0] >> 25 == (uintptr_t)malloc(SIZE) >> 25, "both lie in one arena");
	before = now();
	free_all(NULL);
	after = now();
	ok(of_mem(&before) - of_mem(&after) == N, "free takes them");
	ok(after.malloc.live_blocks == before.malloc.live_blocks,
	   "and counts them where they were made");
}

int main(void)
{
	free(malloc(1));
	arn_mem_free(arn_mem_malloc(1));
	libc_names();
	mem_domain();
	return done();
}
