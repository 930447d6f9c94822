/* SPDX-License-Identifier: MIT
 *
 * aligned.c - the libc names memalign, posix_memalign, aligned_alloc, valloc and pvalloc, by
 * glibc's rules.
 *
 * memalign         rounds its alignment up to a power of two; EINVAL if there is none
 * posix_memalign   a power of two and a multiple of a pointer's size, or EINVAL, which is the
 *                  result; errno stays as it was
 * aligned_alloc    a power of two, or EINVAL; any size
 * pvalloc          rounds its size up to whole pages, at least one
 */
#include "malloc/serve.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME __attribute__((visibility("default")))

static bool is_power_of_two(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static void *fail(int error)
{
	errno = error;
	return NULL;
}

static size_t round_up_to_power_of_two(size_t n)
{
	return n <= 1 ? 1 : (size_t)1 << (64 - __builtin_clzll(n - 1));
}

NAME void *memalign(size_t alignment, size_t size)
{
	if (alignment > SIZE_MAX / 2 + 1)
		return fail(EINVAL);
	return serve_aligned(round_up_to_power_of_two(alignment), size);
}

NAME void *aligned_alloc(size_t alignment, size_t size)
{
	return is_power_of_two(alignment) ? serve_aligned(alignment, size) : fail(EINVAL);
}

NAME int posix_memalign(void **result, size_t alignment, size_t size)
{
	int saved = errno;
	void *block;

	if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
		return EINVAL;
	block = serve_aligned(alignment, size);
	errno = saved;
	if (!block)
		return ENOMEM;
	*result = block;
	return 0;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

NAME void *valloc(size_t size)
{
	return serve_aligned(page_size(), size);
}

NAME void *pvalloc(size_t size)
{
	size_t page = page_size();

	if (size > PTRDIFF_MAX)
		return fail(ENOMEM);
	return serve_aligned(page, align_up(size ? size : 1, page));
}
