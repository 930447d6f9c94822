/* SPDX-License-Identifier: MIT
 *
 * api - what arenite.h promises of blocks: in each domain and in a heap of one's own.
 */
#include <arenite/arenite.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "support/tap.h"

struct face {
	const char *name;
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	bool ours; /* arn_usable_size knows it */
};

static arn_heap heap;

static void *heap_malloc(size_t size)
{
	return arn_heap_malloc(&heap, size);
}

static void *heap_calloc(size_t count, size_t size)
{
	return arn_heap_calloc(&heap, count, size);
}

static void *heap_realloc(void *block, size_t size)
{
	return arn_heap_realloc(&heap, block, size);
}

static const struct face faces[] = {
	{ "raw", arn_raw_malloc, arn_raw_calloc, arn_raw_realloc, arn_raw_free, false },
	{ "mem", arn_mem_malloc, arn_mem_calloc, arn_mem_realloc, arn_mem_free, true },
	{ "obj", arn_obj_malloc, arn_obj_calloc, arn_obj_realloc, arn_obj_free, true },
	{ "heap", heap_malloc, heap_calloc, heap_realloc, arn_free, true },
};
#define FACES (sizeof faces / sizeof *faces)

/* Around the borders of tables, pools, pages and powers of two. */
static const size_t sizes[] = {
	0,     1,     15,    16,    17,     100,    256,    257,     512,
	1023,  1024,  1025,  2049,  4095,   4096,   8192,   8193,    20000,
	32768, 65535, 65536, 65537, 131072, 200000, 524289, 1048576, 3145733
};
#define SIZES (sizeof sizes / sizeof *sizes)

static size_t usable(const struct face *f, void *block)
{
	return f->ours ? arn_usable_size(block) : malloc_usable_size(block);
}

static unsigned char pattern(size_t at, size_t salt)
{
	return (unsigned char)(at * 7 + at / 251 + salt);
}

static void fill(unsigned char *p, size_t n, size_t salt)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(i, salt);
}

static bool holds(const unsigned char *p, size_t n, size_t salt)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(i, salt))
			return false;
	return true;
}

static void test_zero(const struct face *f)
{
	void *p[6] = { f->malloc(0),    f->calloc(0, 0),     f->calloc(0, 5),
		       f->calloc(5, 0), f->realloc(NULL, 0), f->realloc(f->malloc(100), 0) };
	int bad = 0;

	for (int i = 0; i < 6; i++) {
		bad += !p[i];
		for (int k = 0; k < i; k++)
			bad += p[i] == p[k];
	}
	ok(!bad, "%s: requests for nothing give distinct pointers", f->name);
	for (int i = 0; i < 6; i++)
		f->free(p[i]);
	f->free(NULL);
}

/* Every size, with some blocks alive at once, so that an overlap shows. */
static void test_sizes(const struct face *f)
{
	enum { WINDOW = 64 };
	unsigned char *live[WINDOW] = { NULL };
	size_t size[WINDOW] = { 0 }, unaligned = 0, small = 0, spoilt = 0;

	for (size_t n = 0; n <= 70000; n += n < 9000 ? 1 : 37) {
		size_t at = n % WINDOW;

		if (live[at]) {
			spoilt += !holds(live[at], size[at], at);
			f->free(live[at]);
		}
		live[at] = f->malloc(n);
		size[at] = usable(f, live[at]);
		unaligned += (uintptr_t)live[at] % 16 != 0;
		small += size[at] < n;
		fill(live[at], size[at], at);
	}
	for (size_t at = 0; at < WINDOW; at++) {
		spoilt += live[at] && !holds(live[at], size[at], at);
		f->free(live[at]);
	}
	ok(!unaligned, "%s: sizes 0 to 70000 are aligned to 16 bytes", f->name);
	ok(!small, "%s: usable size is never below the size", f->name);
	ok(!spoilt, "%s: every usable byte keeps what was written", f->name);
}

static void test_huge(const struct face *f)
{
	static const size_t huge[] = { 1u << 20, (3u << 20) + 5, 33u << 20, 64u << 20,
		                       (65u << 20) + 4095 };
	int bad = 0;

	for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
		unsigned char *p = f->malloc(huge[i]);

		bad += !p || (uintptr_t)p % 16 || usable(f, p) < huge[i];
		p[0] = 1;
		p[huge[i] / 2] = 2;
		p[usable(f, p) - 1] = 3;
		bad += p[0] != 1 || p[huge[i] / 2] != 2;
		f->free(p);
	}
	ok(!bad, "%s: blocks of 1 to 65 MiB, aligned and writable to the end", f->name);
}

static void test_too_large(const struct face *f)
{
	static const struct {
		size_t count, size;
	} products[] = {
		{ SIZE_MAX / 2, 3 },
		{ 3, SIZE_MAX / 2 },
		{ (size_t)1 << 33, (size_t)1 << 33 },
		{ SIZE_MAX, SIZE_MAX },
		{ (size_t)1 << 32, (size_t)1 << 31 },
		{ 2, (size_t)PTRDIFF_MAX },
		{ 1, (size_t)PTRDIFF_MAX + 1 },
	};
	static const size_t too_large[] = { (size_t)PTRDIFF_MAX + 1, SIZE_MAX / 2 + 2,
		                            SIZE_MAX - 15, SIZE_MAX - 1, SIZE_MAX };
	unsigned char *kept = f->malloc(100);
	int got = 0, lost = 0;

	fill(kept, 100, 3);
	for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
		got += f->malloc(too_large[i]) != NULL;
		got += f->realloc(NULL, too_large[i]) != NULL;
		lost += f->realloc(kept, too_large[i]) != NULL || !holds(kept, 100, 3);
	}
	for (size_t i = 0; i < sizeof products / sizeof *products; i++)
		got += f->calloc(products[i].count, products[i].size) != NULL;
	ok(!got, "%s: sizes above PTRDIFF_MAX and products that overflow give NULL", f->name);
	ok(!lost, "%s: realloc that fails leaves the block as it was", f->name);
	f->free(kept);
}

/* More than the address space has: legal as a size, so the system call fails. */
static void test_no_memory(const struct face *f)
{
	size_t most = (size_t)PTRDIFF_MAX;
	unsigned char *kept = f->malloc(300000);
	int got = 0;

	fill(kept, 300000, 4);
	for (size_t n = most - 5000; n < most; n += 4999) {
		got += f->malloc(n) != NULL || f->calloc(1, n) != NULL ||
		       f->realloc(kept, n) != NULL;
		got += f->malloc(n / 2) != NULL;
	}
	ok(!got && holds(kept, 300000, 4), "%s: lack of memory gives NULL and keeps the block",
	   f->name);
	f->free(kept);
}

static void test_realloc(const struct face *f)
{
	int bad = 0;

	for (size_t i = 0; i < SIZES; i++) {
		for (size_t k = 0; k < SIZES; k++) {
			size_t least = sizes[i] < sizes[k] ? sizes[i] : sizes[k];
			unsigned char *p = f->malloc(sizes[i]);

			if (least > 70000) /* both large: both ends will do */
				least = 70000;
			fill(p, least, i);
			p = f->realloc(p, sizes[k]);
			bad += !p || (uintptr_t)p % 16 || usable(f, p) < sizes[k] ||
			       !holds(p, least, i);
			if (sizes[k])
				p[sizes[k] - 1] = 1;
			f->free(p);
		}
	}
	ok(!bad, "%s: realloc keeps the contents between all kinds of sizes", f->name);
}

static void test_realloc_steps(const struct face *f)
{
	unsigned char *p = NULL;
	size_t n;
	int bad = 0;

	for (n = 1; n < 3000000; n += n / 8 + 1) {
		p = f->realloc(p, n);
		p[n - 1] = (unsigned char)n;
		bad += p[0] != 1;
	}
	for (; n > 8; n -= n / 8 + 1) {
		p = f->realloc(p, n);
		bad += p[0] != 1;
	}
	ok(!bad, "%s: a block grows to 3 MB and shrinks back in steps", f->name);
	f->free(p);
}

static bool is_zero(const unsigned char *p, size_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

static void test_calloc(const struct face *f)
{
	enum { ROUNDS = 40 };
	int bad = 0;

	for (size_t i = 0; i < SIZES; i++) {
		int rounds = sizes[i] > 100000 ? 4 : ROUNDS;
		unsigned char *p[ROUNDS];

		for (int k = 0; k < rounds; k++)
			memset(p[k] = f->malloc(sizes[i]), 0xff, sizes[i]);
		for (int k = 0; k < rounds; k++)
			f->free(p[k]);
		for (int k = 0; k < rounds; k++)
			bad += !(p[k] = f->calloc(sizes[i], 1)) || !is_zero(p[k], sizes[i]);
		for (int k = 0; k < rounds; k++)
			f->free(p[k]);
	}
	ok(!bad, "%s: calloc is zero, also in memory that was used before", f->name);
}

static void test_foreign(void)
{
	static int in_data;
	int on_stack;
	char *libc = malloc(100000), *small = malloc(20);
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uintptr_t odd[] = {
		1,
		8,
		16,
		4095,
		65536,
		1u << 30,
		(uintptr_t)1 << 46,
		((uintptr_t)1 << 47) - 16,
		(uintptr_t)1 << 47,
		(uintptr_t)1 << 52,
		(uintptr_t)1 << 63,
		0xdeadbeefdeadbeefu,
		0x8000000000001000u,
		UINTPTR_MAX - 4095,
		UINTPTR_MAX,
	};
	int bad = 0;

	bad += arn_usable_size(NULL) != 0 || arn_usable_size(&in_data) ||
	       arn_usable_size(&on_stack);
	bad += arn_usable_size(libc) || arn_usable_size(small) || arn_usable_size(page);
	bad += arn_usable_size((void *)(uintptr_t)&test_foreign) != 0;
	ok(!bad, "usable size of foreign addresses is 0");
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		bad += arn_usable_size((void *)odd[i]) != 0;
	ok(!bad, "usable size of addresses that cannot be is 0");
	munmap(page, 4096);
	free(libc);
	free(small);
}

/* The interface says: no live pool.  A large block is a pool of its own, so then nothing is
 * there. */
static void test_gone(void)
{
	char *large = arn_mem_malloc(9u << 20);
	size_t before = arn_usable_size(large);

	arn_mem_free(large);
	ok(before >= 9u << 20 && arn_usable_size(large) == 0,
	   "usable size of a large block that is gone is 0");
}

static void test_raw_counts(void)
{
	struct arn_stats a, b, c;
	void *p, *q;

	arn_stats_read(&a, sizeof(a));
	p = arn_raw_malloc(1000);
	q = arn_raw_realloc(arn_raw_calloc(10, 10), 5000);
	arn_stats_read(&b, sizeof(b));
	ok(b.raw_mallocs - a.raw_mallocs == 2 + (b.raw_frees - a.raw_frees),
	   "raw: two blocks counted");
	ok(b.raw_live_bytes - a.raw_live_bytes == malloc_usable_size(p) + malloc_usable_size(q),
	   "raw: their usable bytes counted");
	arn_raw_free(p);
	arn_raw_free(q);
	arn_stats_read(&c, sizeof(c));
	ok(c.raw_live_bytes == a.raw_live_bytes &&
	           c.raw_mallocs - c.raw_frees == a.raw_mallocs - a.raw_frees,
	   "raw: none left");
}

static size_t read_output(void (*print)(int), char *to, size_t room)
{
	int fd = memfd_create("output", 0);
	ssize_t n;

	print(fd);
	n = pread(fd, to, room, 0);
	close(fd);
	return n < 0 ? 0 : (size_t)n;
}

/* Braces balance outside strings, one object, nothing after it. */
static bool is_one_object(const char *s, size_t n)
{
	int depth = 0;
	bool string = false;

	while (n && (s[n - 1] == '\n' || s[n - 1] == ' '))
		n--;
	for (size_t i = 0; i < n; i++) {
		string ^= s[i] == '"';
		if (!string)
			depth += (s[i] == '{') - (s[i] == '}');
		if (depth <= 0 && i + 1 < n)
			return false;
	}
	return n && !depth && !string;
}

static void test_prints(void)
{
	static char out[65536];
	size_t n = read_output(arn_stats_print, out, sizeof out);

	ok(n > 0 && n < sizeof out && out[n - 1] == '\n', "arn_stats_print writes lines");
	n = read_output(arn_stats_json, out, sizeof out);
	ok(n > 0 && n < sizeof out && is_one_object(out, n), "arn_stats_json writes one object");
}

/* config.h has what configure.ac says. */
/* The limit counts what has pages; what is resident in blocks is some of that. */
static void test_limit(void)
{
	struct arn_resident resident;
	size_t limit;
	void *block;

	arn_stats_resident(&resident, sizeof(resident));
	limit = resident.total + ((size_t)32 << 20);
	ok(arn_limit(limit) == 0 && arn_limit(SIZE_MAX) == limit, "a limit is set, and is read");
	errno = 0;
	block = arn_mem_malloc((size_t)128 << 20);
	ok(!block && errno == ENOMEM, "a request beyond it gets NULL");
	block = arn_mem_malloc((size_t)4 << 20);
	ok(block != NULL, "one below does not");
	ok(arn_limit(1) == limit && !arn_mem_malloc((size_t)4 << 20),
	   "a limit below what is in use: nothing more");
	arn_free(block);
	ok(arn_limit((size_t)-2) == 1 && arn_limit(0) == (size_t)1 << 46, "the greatest is 64 TiB");
	block = arn_mem_malloc((size_t)128 << 20);
	ok(block != NULL, "without a limit it is served again");
	arn_free(block);
}

static void *change_limit(void *unused)
{
	for (unsigned i = 0; i < 20000; i++)
		arn_limit(i % 3 ? 0 : (size_t)1 << (30 + i % 10));
	arn_limit(0);
	return unused;
}

/* Requests have the old limit or the new one, and there is room below both. */
static void test_limit_changes(void)
{
	pthread_t thread;
	bool failed = false;

	pthread_create(&thread, NULL, change_limit, NULL);
	for (unsigned i = 0; i < 20000; i++) {
		void *block = arn_mem_malloc(16 + i % 70000);

		failed |= !block;
		arn_free(block);
	}
	pthread_join(thread, NULL);
	ok(!failed, "another thread may change it while this one allocates");
}

static void test_version(void)
{
	unsigned major = 0, minor = 0, patch = 0;

	ok(sscanf(PACKAGE_VERSION, "%u.%u.%u", &major, &minor, &patch) == 3 && minor < 100 &&
	           patch < 100 && ARN_VERSION_NUMBER == 10000 * major + 100 * minor + patch &&
	           !strcmp(ARN_VERSION, PACKAGE_VERSION),
	   "the header has the version of configure.ac, as text and as a number");
	ok(!strcmp(arn_version(), ARN_VERSION) && arn_version_number() == ARN_VERSION_NUMBER,
	   "and so has the library");
}

static void test_errno_kept(void)
{
	void *p = arn_mem_malloc(5u << 20);

	errno = EXDEV;
	arn_mem_free(p);
	ok(errno == EXDEV, "free keeps errno");
}

int main(void)
{
	arn_heap_init(&heap, NULL, ARN_TAG_GC);
	for (size_t i = 0; i < FACES; i++) {
		test_zero(&faces[i]);
		test_sizes(&faces[i]);
		test_huge(&faces[i]);
		test_too_large(&faces[i]);
		test_no_memory(&faces[i]);
		test_realloc(&faces[i]);
		test_realloc_steps(&faces[i]);
		test_calloc(&faces[i]);
	}
	test_foreign();
	test_gone();
	test_raw_counts();
	test_prints();
	test_limit();
	test_limit_changes();
	test_version();
	test_errno_kept();
	return done();
}
