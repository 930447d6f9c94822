/* SPDX-License-Identifier: MIT
 *
 * info.c - the libc names that tell about malloc: malloc_trim, malloc_stats, malloc_info, mallinfo
 * and mallinfo2.  Where the names are not served, the C library's own are called.
 *
 * What glibc's words mean here: the arena is the address space of pools; what is not live there is
 * free, blocks in caches and in remote queues among it; blocks of their own mapping there are none;
 * and what malloc_trim would release is what is kept for reuse.
 */
#include "malloc/serve.h"

#include <arenite/arenite.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME __attribute__((visibility("default")))

struct sums {
	size_t pools, pool_bytes, live, retained;
};

static struct sums add_up(void)
{
	struct arn_stats stats;
	struct sums sums = { 0 };

	arn_stats_read(&stats, sizeof(stats));
	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		sums.pools += stats.tag[tag].pools;
		sums.live += stats.tag[tag].live_bytes;
	}
	sums.pool_bytes = max_size(stats.claimed_bytes, sums.live);
	sums.retained = stats.retained_bytes;
	return sums;
}

/* The function of the C library of this name, as a pointer of the type of *function.  false: the
 * names are served, or there is none. */
static bool find_below(const char *name, void *function)
{
	void *found = serve_begin() ? NULL : below_find(name);

	memcpy(function, &found, sizeof(found));
	return found != NULL;
}

/* What is to be left at the end of a heap is not regarded: there is no such end. */
NAME int malloc_trim(size_t pad)
{
	int (*below)(size_t);

	if (find_below("malloc_trim", &below))
		return below(pad);
	return arn_trim() > 0;
}

NAME void malloc_stats(void)
{
	void (*below)(void);

	if (find_below("malloc_stats", &below))
		below();
	else
		arn_stats_print(STDERR_FILENO);
}

NAME int malloc_info(int options, FILE *file)
{
	int (*below)(int, FILE *);
	struct sums sums;

	if (find_below("malloc_info", &below))
		return below(options, file);
	if (options != 0)
		return EINVAL;
	sums = add_up();
	fprintf(file,
	        "<malloc version=\"1\">\n"
	        "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
	        "<system type=\"current\" size=\"%zu\"/>\n"
	        "<aspace type=\"total\" size=\"%zu\"/>\n"
	        "</malloc>\n",
	        sums.pools, sums.pool_bytes - sums.live, sums.pool_bytes + sums.retained,
	        sums.pool_bytes + sums.retained);
	return 0;
}

#ifdef HAVE_STRUCT_MALLINFO2
NAME struct mallinfo2 mallinfo2(void)
{
	struct mallinfo2 (*below)(void);
	struct sums sums;

	if (find_below("mallinfo2", &below))
		return below();
	sums = add_up();
	return (struct mallinfo2){ .arena = sums.pool_bytes + sums.retained,
		                   .ordblks = sums.pools,
		                   .uordblks = sums.live,
		                   .fordblks = sums.pool_bytes + sums.retained - sums.live,
		                   .keepcost = sums.retained };
}
#endif

#ifdef HAVE_STRUCT_MALLINFO
/* Its members are of 32 bits: what does not fit is as much as fits. */
static int cut(size_t n)
{
	return (int)min_size(n, INT_MAX);
}

NAME struct mallinfo mallinfo(void)
{
	struct mallinfo (*below)(void);
	struct sums sums;

	if (find_below("mallinfo", &below))
		return below();
	sums = add_up();
	return (struct mallinfo){ .arena = cut(sums.pool_bytes + sums.retained),
		                  .ordblks = cut(sums.pools),
		                  .uordblks = cut(sums.live),
		                  .fordblks = cut(sums.pool_bytes + sums.retained - sums.live),
		                  .keepcost = cut(sums.retained) };
}
#endif
