/* SPDX-License-Identifier: MIT
 *
 * os-pages.c - which pages are in memory.
 *
 * mincore(2) tells, but it counts pages that were read and never written to, which all share one
 * page of zeros and are not resident in the sense of /proc/self/smaps.  Linux 6.7 can be asked for
 * pages without those: ioctl PAGEMAP_SCAN, see Documentation/admin-guide/mm/pagemap.rst of the
 * kernel.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* As in <linux/fs.h>, where that is of Linux 6.7 or later: the argument of the request, and what it
 * writes for each run of pages of the same kind. */
struct scan {
	uint64_t size, flags, start, end, walk_end, regions, regions_max, pages_max;
	uint64_t inverted, all_of, any_of, returned;
};
struct region {
	uint64_t start, end, categories;
};
#define SCAN      _IOWR('f', 16, struct scan)
#define PRESENT   (1u << 3)
#define ZERO_PAGE (1u << 5)

/* Marks the pages of one region in the map of the range that begins at `base`. */
static void mark(unsigned char *pages, uintptr_t base, const struct region *region)
{
	size_t page = os_page_size();

	memset(pages + (region->start - base) / page, 1, (region->end - region->start) / page);
}

/* Asks for pages that are present and not the page of zeros.  The kernel writes up to 64 regions at
 * a time, and says how far it has come (walk_end); the next request begins there.  It must get on
 * each time, or this would never end: EINVAL then. */
static int scan(int fd, uintptr_t base, size_t size, unsigned char *pages)
{
	struct region region[64] = { 0 }; /* Valgrind does not see the kernel fill it */
	struct scan scan = { .size = sizeof(scan),
		             .start = base,
		             .end = base + size,
		             .regions = (uintptr_t)region,
		             .regions_max = array_length(region),
		             .inverted = ZERO_PAGE,
		             .all_of = PRESENT | ZERO_PAGE,
		             .returned = PRESENT };

	memset(pages, 0, size / os_page_size());
	while (scan.start < scan.end) {
		int n = ioctl(fd, SCAN, &scan);

		if (n < 0 || scan.walk_end <= scan.start)
			return n < 0 ? errno : EINVAL;
		for (int i = 0; i < n; i++)
			mark(pages, base, &region[i]);
		scan.start = scan.walk_end;
	}
	return 0;
}

/* ENOTTY: the kernel does not know the request.  The file may also be missing, where /proc is not
 * mounted. */
static int without_zeros(uintptr_t base, size_t size, unsigned char *pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = scan(fd, base, size, pages);
	close(fd);
	return error;
}

/* Asks PAGEMAP_SCAN first and mincore where that fails.  open(2) is a cancellation point, and the
 * calling thread may be in the middle of something, so cancellation is disabled meanwhile. */
int os_resident(const void *address, size_t size, unsigned char *pages)
{
	int saved = errno, error, cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	error = without_zeros((uintptr_t)address, size, pages);
	if (error)
		error = mincore((void *)(uintptr_t)address, size, pages) == 0 ? 0 : errno;
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return error;
}
