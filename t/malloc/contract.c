/* SPDX-License-Identifier: MIT
 *
 * contract - what each libc name promises, by glibc's rules: blocks, contents, errno and results.
 * The program is linked with libarenite-malloc and calls nothing else of Arenite but arn_tag_of,
 * which tells whose block it is.
 */
#include "support/probe.h"
#include "support/tap.h"

#include <arenite/arenite.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#ifndef __GLIBC__ /* the header of another C library lacks what only glibc has */
void *pvalloc(size_t size);
int malloc_info(int options, FILE *file);
int malloc_trim(size_t pad);
#endif

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static volatile size_t hidden_from_compiler;
#define unknown(n) ((n) + hidden_from_compiler)

static bool is_ours(const void *block)
{
	return block && arn_tag_of(block) == ARN_TAG_MEM;
}

static bool is_at(const void *block, size_t alignment)
{
	return block && (uintptr_t)block % alignment == 0;
}

static bool is_all(const void *block, size_t size, unsigned char byte)
{
	for (size_t i = 0; i < size; i++)
		if (((const unsigned char *)block)[i] != byte)
			return false;
	return true;
}

static void basics(void)
{
	void *none = malloc(unknown(0)), *other = malloc(unknown(0));
	bool right = true;

	ok(is_ours(none) && is_ours(other) && none != other, "malloc(0) gives a block of its own");
	free(none);
	free(other);
	free(NULL);
	for (size_t size = 1; size < 40 * MIB; size += size / 3 + 1) {
		void *block = malloc(size);

		right = right && is_ours(block) && is_at(block, 16) &&
		        malloc_usable_size(block) >= size;
		memset(block, 1, malloc_usable_size(block));
		free(block);
	}
	ok(right, "blocks of all sizes, at multiples of 16, usable to the last byte");
	ok(malloc_usable_size(NULL) == 0, "NULL has no usable bytes");
}

/* Sizes that no malloc can have. */
static void too_large(void)
{
	static const size_t sizes[] = { SIZE_MAX,
		                        SIZE_MAX - 1,
		                        SIZE_MAX - 64 * KIB,
		                        PTRDIFF_MAX + (size_t)1,
		                        PTRDIFF_MAX - 64 * KIB,
		                        SIZE_MAX / 2 };
	void *kept = malloc(100);
	unsigned wrong = 0;

	memset(kept, 5, 100);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = unknown(sizes[i]);
		void *result = &wrong;

#define FAILS(call, code) (errno = 0, (call) == NULL && errno == (code))
		wrong += !FAILS(malloc(size), ENOMEM);
		wrong += !FAILS(calloc(size, 1), ENOMEM);
		wrong += !FAILS(calloc(1, size), ENOMEM);
		wrong += !FAILS(calloc(size, 2), ENOMEM);
		wrong += !FAILS(realloc(kept, size), ENOMEM);
		wrong += !FAILS(realloc(NULL, size), ENOMEM);
		wrong += !FAILS(reallocarray(kept, size, 2), ENOMEM);
		wrong += !FAILS(reallocarray(kept, 2, size), ENOMEM);
		wrong += !FAILS(memalign(64, size), ENOMEM);
		wrong += !FAILS(memalign(1 * MIB, size), ENOMEM);
		wrong += !FAILS(aligned_alloc(64, size), ENOMEM);
		wrong += !FAILS(valloc(size), ENOMEM);
		wrong += !FAILS(pvalloc(size), ENOMEM);
		errno = 77;
		wrong += posix_memalign(&result, 64, size) != ENOMEM || result != &wrong ||
		         errno != 77;
	}
	ok(wrong == 0, "sizes that cannot be are NULL with ENOMEM, from every name (%u)", wrong);
	ok(is_all(kept, 100, 5), "and the old block is as it was");
	free(kept);
}

static void zeros(void)
{
	bool right = true;

	for (size_t size = 1; size < 3 * MIB; size = size * 2 + 1)
		for (unsigned i = 0; i < 20; i++) {
			char *block = calloc(i % 2 ? size : 1, i % 2 ? 1 : size);

			right = right && is_ours(block) && is_all(block, size, 0);
			memset(block, 0xff, size);
			free(block);
		}
	ok(right, "calloc gives zeros, also in memory that was used");
	ok(is_ours(calloc(unknown(0), 8)) && is_ours(calloc(8, unknown(0))),
	   "and a block for nothing");
}

static void resizes(void)
{
	char *block = realloc(NULL, 10);
	bool right = is_ours(block);
	size_t size = 10;

	memset(block, 9, size);
	while (size < 70 * MIB) {
		size_t larger = size + size / 2;

		block = realloc(block, larger);
		right = right && is_ours(block) && is_all(block, size, 9);
		memset(block + size, 9, larger - size);
		size = larger;
	}
	while (size > 10) {
		size /= 3;
		block = realloc(block, size ? size : 1);
		right = right && is_ours(block) && is_all(block, size, 9);
	}
	ok(right, "realloc keeps the contents, up and down");
	errno = 5;
	ok(!realloc(block, unknown(0)) && errno == 5, "realloc to 0 frees, and is no error");
	block = realloc(NULL, unknown(0));
	ok(is_ours(block), "realloc of NULL to 0 gives a block");
	free(block);
}

static void arrays(void)
{
	char *block = reallocarray(NULL, 10, 20), *larger;

	ok(is_ours(block) && malloc_usable_size(block) >= 200, "reallocarray of NULL");
	memset(block, 3, 200);
	larger = reallocarray(block, unknown(1000), 50);
	ok(is_ours(larger) && is_all(larger, 200, 3), "reallocarray keeps the contents");
	errno = 0;
	ok(!reallocarray(larger, unknown((size_t)1 << 33), (size_t)1 << 33) && errno == ENOMEM &&
	           is_all(larger, 200, 3),
	   "a product that overflows is ENOMEM, and the block stays");
	ok(!reallocarray(larger, unknown(0), 50), "a product of 0 frees");
}

static void alignments(void)
{
	bool right = true, posix = true;
	void *block;

	for (size_t alignment = 1; alignment <= 8 * MIB; alignment *= 2)
		for (size_t size = 0; size <= 200 * KIB; size = size * 3 + 1) {
			block = memalign(alignment, size);
			right = right && is_ours(block) && is_at(block, alignment) &&
			        malloc_usable_size(block) >= size;
			memset(block, 1, size);
			free(block);
			if (alignment < sizeof(void *))
				continue;
			posix = posix && posix_memalign(&block, alignment, size) == 0 &&
			        is_ours(block) && is_at(block, alignment);
			free(block);
			block = aligned_alloc(alignment, size);
			posix = posix && is_ours(block) && is_at(block, alignment);
			free(block);
		}
	ok(right, "memalign: every power of two up to 8 MiB");
	ok(posix, "and so posix_memalign and aligned_alloc");
	block = memalign(unknown(48), 100);
	ok(is_at(block, 64), "memalign rounds up to a power of two");
	free(block);
	block = memalign(unknown(0), 100);
	ok(is_at(block, 16), "0 is none");
	free(block);
	ok(FAILS(memalign(unknown(SIZE_MAX), 1), EINVAL),
	   "there is none above half of all: EINVAL");
	ok(FAILS(aligned_alloc(unknown(48), 96), EINVAL) &&
	           FAILS(aligned_alloc(unknown(0), 96), EINVAL),
	   "aligned_alloc: EINVAL for what is no power of two");
	errno = 77;
	block = &right;
	ok(posix_memalign(&block, unknown(0), 8) == EINVAL &&
	           posix_memalign(&block, unknown(4), 8) == EINVAL &&
	           posix_memalign(&block, unknown(24), 8) == EINVAL && block == &right &&
	           errno == 77,
	   "posix_memalign: EINVAL, the result and errno are left alone");
}

/* What lies in no arena comes from the C library: alignments above 8 MiB. */
static void extreme_alignments(void)
{
	bool right = true;
	void *block;

	for (size_t alignment = 16 * MIB; alignment <= 2048 * MIB; alignment *= 2) {
		errno = 77;
		block = memalign(alignment, 1000);
		right = right && is_ours(block) && is_at(block, alignment) &&
		        malloc_usable_size(block) >= 1000 && errno == 77;
		memset(block, 4, 1000);
		block = realloc(block, 100000);
		right = right && is_all(block, 1000, 4);
		free(block);
	}
	block = memalign(2 * MIB, 40 * MIB);
	right = right && is_ours(block) && is_at(block, 2 * MIB);
	memset(block, 4, 40 * MIB);
	free(block);
	ok(right, "alignments up to 2 GiB, and of huge blocks");
}

static void pages(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *block = valloc(unknown(0)), *other = valloc(page + 1);

	ok(is_at(block, page) && is_at(other, page), "valloc begins on a page");
	free(block);
	free(other);
	block = pvalloc(unknown(0)), other = pvalloc(page + 1);
	ok(is_at(block, page) && malloc_usable_size(block) >= page && is_at(other, page) &&
	           malloc_usable_size(other) >= 2 * page,
	   "pvalloc has whole pages");
	free(block);
	free(other);
}

/* free leaves errno alone, whatever it does: large blocks go back to the system. */
static void error_numbers(void)
{
	static const size_t sizes[] = { 1, 1000, 100 * KIB, 5 * MIB, 100 * MIB };
	void *block;
	bool right = true;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		block = malloc(sizes[i]);
		memset(block, 1, sizes[i]);
		errno = 1789;
		free(block);
		right = right && errno == 1789;
		block = malloc(sizes[i]);
		block = realloc(block, sizes[i] * 2);
		right = right && errno == 1789;
		free(block);
		block = memalign(4096, sizes[i]);
		right = right && errno == 1789;
		free(block);
	}
	errno = 1789;
	free(NULL);
	ok(right && errno == 1789, "free leaves errno alone, and so does malloc that succeeds");
}

static void information(void)
{
	static char text[4096];
	void *block = malloc(3 * MIB);
	FILE *file;
#ifdef HAVE_STRUCT_MALLINFO2
	struct mallinfo2 info = mallinfo2();

	ok(info.uordblks >= 3 * MIB && info.arena >= info.uordblks &&
	           info.fordblks == info.arena - info.uordblks,
	   "mallinfo2: %zu bytes of %zu are live", info.uordblks, info.arena);
#else
	skip(1, "there is no mallinfo2");
#endif
	file = fmemopen(text, sizeof(text), "w");
	ok(malloc_info(0, file) == 0 && malloc_info(1, file) == EINVAL, "malloc_info");
	fclose(file);
	ok(strstr(text, "<malloc version=") && strstr(text, "</malloc>"), "which is some XML");
	memset(block, 1, 3 * MIB);
	free(block);
	ok(malloc_trim(0) == 1, "malloc_trim gives back what is kept");
	ok(malloc_trim(0) == 0, "and says when there is nothing");
}

/* Memory ends as NULL with ENOMEM, and begins again. */
static void exhausted(void)
{
	struct rlimit before, limit = { 600 * MIB, RLIM_INFINITY };
	void **first = NULL, **block;
	unsigned n = 0;

	if (!probe_limits_space()) {
		skip(2, "the address space cannot be limited");
		return;
	}
	getrlimit(RLIMIT_AS, &before);
	limit.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
	errno = 0;
	while (n < 10000 && (block = malloc(1 * MIB)) != NULL) {
		*block = first;
		first = (void **)block;
		n++;
	}
	ok(n > 100 && n < 10000 && errno == ENOMEM, "ulimit -v: ENOMEM after %u MiB", n);
	while (first) {
		block = first;
		first = *block;
		free(block);
	}
	block = malloc(100 * MIB);
	ok(block != NULL, "and when they are free there is memory again");
	free(block);
	setrlimit(RLIMIT_AS, &before);
}

/* What libc itself allocates is ours, and is freed with free. */
static void of_libc(void)
{
	char *line = NULL, *joined = NULL, *copy = strdup("copy");
	FILE *file = fopen("/proc/self/maps", "r");
	size_t size = 0;

	ok(file && getline(&line, &size, file) > 0 && is_ours(line), "getline's line");
	ok(asprintf(&joined, "%2000d", 1) == 2000 && is_ours(joined) && is_ours(copy),
	   "asprintf's and strdup's text");
	free(line);
	free(joined);
	free(copy);
	fclose(file);
}

int main(void)
{
	basics();
	too_large();
	zeros();
	resizes();
	arrays();
	alignments();
	extreme_alignments();
	pages();
	error_numbers();
	information();
	of_libc();
	exhausted();
	return done();
}
