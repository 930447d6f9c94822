/* SPDX-License-Identifier: MIT
 *
 * os - memory from the system: aligned, zeroed, returned, purged; failures, injected and real.
 */
#include "support/core.h"
#include "support/probe.h"

#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { ROUNDS = 300, HELD = 16 };

static size_t page;

static bool is_mapped(const void *address)
{
	unsigned char resident;

	return mincore((void *)(uintptr_t)address, page, &resident) == 0;
}

static size_t resident_pages(void *address, size_t size)
{
	static unsigned char map[4096];
	size_t n = 0;

	if (size / page > sizeof(map) || mincore(address, size, map) != 0)
		return SIZE_MAX;
	for (size_t i = 0; i < size / page; i++)
		n += map[i] & 1;
	return n;
}

static bool is_zero(const char *p, size_t size)
{
	return p[0] == 0 && memcmp(p, p + 1, size - 1) == 0;
}

static void test_map(void)
{
	for (size_t alignment = page; alignment <= 1024 * MIB; alignment *= 4) {
		size_t size = alignment / 2 < page ? page : min_size(alignment / 2, 2 * MIB);
		char *p = os_map_aligned(size, alignment), *q = os_map_aligned(size, alignment);

		expect(p && q && (uintptr_t)p % alignment == 0 && (uintptr_t)q % alignment == 0 &&
		       p != q);
		expect(is_zero(p, size));
		memset(p, 0xa5, size);
		expect(is_zero(q, size));
		expect(os_unmap(p, size) == 0 && os_unmap(q, size) == 0);
		expect(!is_mapped(p) && !is_mapped(p + size - page) && !is_mapped(q));
	}
	no_errors("aligned, zeroed, writable, and gone after os_unmap");
}

/* How many pages of address space the process has, found without a call of malloc. */
static size_t mapped_pages(void)
{
	char text[64] = { 0 };
	int fd = open("/proc/self/statm", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		bail("/proc/self/statm");
	close(fd);
	return strtoul(text, NULL, 10);
}

static void test_no_rest(void)
{
	size_t before, during;
	char *p[HELD];

	if (!probe_own_proc()) {
		skip(1, "/proc/self/statm is not of this process");
		return;
	}
	before = mapped_pages();
	for (unsigned i = 0; i < HELD; i++)
		p[i] = os_map_aligned(page, MIB << i % 4);
	during = mapped_pages();
	for (unsigned i = 0; i < HELD; i++)
		os_unmap(p[i], page);
	ok(during == before + HELD && mapped_pages() == before,
	   "what was mapped for the alignment alone is cut off");
}

static void test_purge(void)
{
	size_t size = 64 * page;
	char *p = os_map_aligned(size, page);

	os_advise_huge(p, size, OS_HUGE_NEVER);
	os_label(p, size, "test");
	memset(p, 1, size);
	ok(resident_pages(p, size) == 64, "written pages are resident");
	errno = 77;
	ok(os_purge(p + 8 * page, 16 * page) == 0 && resident_pages(p, size) == 48,
	   "purged pages are not");
	ok(is_zero(p + 8 * page, 16 * page) && p[8 * page - 1] == 1 && p[24 * page] == 1,
	   "they read as zeros, their neighbours as before");
	ok(errno == 77, "errno is left alone");
	memset(p, 1, size);
	ok(os_purge(p, page - 16) == EINVAL && os_purge(p + 16, page) == EINVAL && p[0] == 1 &&
	           p[page] == 1,
	   "half a page is not purged, nor rounded to a whole one");
	os_unmap(p, size);
	if (probe_refuses_advice())
		ok(os_purge(p, page) != 0 && os_unmap(p + 1, page) != 0,
		   "the system's refusal is passed on");
	else
		skip(1, "the system takes any advice");
}

static void test_too_much(void)
{
	errno = 77;
	expect(!os_map_aligned(SIZE_MAX & ~(page - 1), page));
	expect(!os_map_aligned(PTRDIFF_MAX & ~(page - 1), MIB));
	expect(!os_map_aligned((size_t)1 << 50, MIB));
	expect(errno == 77);
	no_errors("sizes that cannot be had give NULL and leave errno alone");
}

/* A real limit: in a child that has no more address space. */
static int child_without_space(void)
{
	struct rlimit none = { 0, 0 };
	void *before = os_map_aligned(page, page);

	setrlimit(RLIMIT_AS, &none);
	if (os_map_aligned(page, page) || os_map_aligned(page, MIB))
		return 1;
	return before && os_unmap(before, page) == 0 ? 0 : 2;
}

static void test_limit(void)
{
	if (probe_limits_space())
		ok(status_of_child(child_without_space) == 0,
		   "an address space at its limit gives NULL, and unmapping works");
	else
		skip(1, "the address space cannot be limited");
}

/* For each n, the n-th call fails and no other. */
static void test_injection(void)
{
	for (unsigned n = 1; n <= 3; n++) {
		char *p[3];

		atomic_store(&os_fail_map, n);
		for (unsigned i = 0; i < 3; i++)
			expect(!(p[i] = os_map_aligned(page, page)) == (i + 1 == n));
		p[n - 1] = os_map_aligned(page, page);
		atomic_store(&os_fail_purge, n);
		for (unsigned i = 0; i < 3; i++)
			expect((os_purge(p[i], page) != 0) == (i + 1 == n));
		atomic_store(&os_fail_unmap, n);
		for (unsigned i = 0; i < 3; i++)
			expect((os_unmap(p[i], page) != 0) == (i + 1 == n));
		expect(is_mapped(p[n - 1]) && os_unmap(p[n - 1], page) == 0);
	}
	no_errors("the n-th call of a kind fails when asked, the others do not");
}

static void churn(unsigned self)
{
	struct rng rng = rng_start(self);
	char *held[HELD] = { 0 };
	size_t size[HELD] = { 0 };

	for (long i = tap_scale(ROUNDS); i > 0; i--) {
		size_t k = rng_below(&rng, HELD);

		if (held[k]) {
			expect(held[k][0] == (char)(self + 1) &&
			       held[k][size[k] - 1] == (char)(k + 1));
			expect(os_unmap(held[k], size[k]) == 0);
		}
		size[k] = (1 + rng_below(&rng, 40)) * page;
		held[k] = os_map_aligned(size[k], page << rng_below(&rng, 12));
		expect(held[k][0] == 0 && held[k][size[k] - 1] == 0);
		held[k][0] = (char)(self + 1);
		held[k][size[k] - 1] = (char)(k + 1);
	}
	for (unsigned k = 0; k < HELD; k++)
		if (held[k])
			os_unmap(held[k], size[k]);
}

/* A file that is larger than the limit ends the process by a signal. */
static int share_beyond_limit(void)
{
	const struct rlimit limit = { page, page };
	struct os_shared shared;

	if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || os_share(&shared, "test", 2 * page, NULL, 0))
		return 1;
	return os_share(&shared, "test", page, "seven", 5) &&
	                       memcmp(shared.address, "seven\0", 7) == 0
	               ? 0
	               : 2;
}

/* Where the process may have so many, is the descriptor no lower than this? */
static int is_above(rlim_t most, int least)
{
	const struct rlimit limit = { most, most };
	struct os_shared shared;

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || !os_share(&shared, "test", page, NULL, 0))
		return 1;
	return shared.fd >= least ? 0 : 2;
}

static int share_with_many(void)
{
	return is_above(512, 256);
}

static int share_with_few(void)
{
	return is_above(200, 100);
}

static int share_with_fewest(void)
{
	return is_above(8, 3);
}

/* Some programs ask for each number up to 255 whether it is open. */
static void test_descriptor(void)
{
	ok(status_of_child(share_with_many) == 0, "its descriptor is out of the way");
	ok(status_of_child(share_with_few) == 0 && status_of_child(share_with_fewest) == 0,
	   "as far as the process may have so many");
}

static void test_share(void)
{
	ok(status_of_child(share_beyond_limit) == 0,
	   "memory is shared within the limit of files, and begins as it should");
}

int main(void)
{
	page = os_page_size();
	ok(page >= PAGE_MIN && page <= PAGE_MAX && (page & (page - 1)) == 0, "pages of %zu bytes",
	   page);
	test_map();
	test_no_rest();
	test_purge();
	test_too_much();
	test_limit();
	test_injection();
	test_share();
	test_descriptor();
	threads(4, churn);
	no_errors("four threads map and unmap, each its own");
	return done();
}
