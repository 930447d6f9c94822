/* SPDX-License-Identifier: MIT
 *
 * meta - records do not overlap, also at the ends of chunks, when many threads take them, with and
 * without memory.
 */
#include "support/core.h"

#include "arena/meta.h"
#include "os/os.h"

enum { WORKERS = 4, EACH = 1500, CHUNK = 4 * 1024 * 1024 };

struct record {
	unsigned char *bytes;
	size_t size;
};

static struct record records[WORKERS][EACH];
static atomic_int failing;

static bool is_filled(const unsigned char *p, unsigned char with, size_t size)
{
	return p[0] == with && memcmp(p, p + 1, size - 1) == 0;
}

static void take(struct record *record, struct rng *rng, unsigned char fill)
{
	size_t alignment = (size_t)8 << rng_below(rng, 10);

	record->size = 1 + rng_below(rng, rng_below(rng, 20) == 0 ? 100000 : 3000);
	record->bytes = meta_take(record->size, alignment);
	if (!record->bytes) {
		expect(load_relaxed(&failing));
		return;
	}
	expect((uintptr_t)record->bytes % alignment == 0 &&
	       is_filled(record->bytes, 0, record->size));
	memset(record->bytes, fill, record->size);
}

static void fill_and_check(unsigned self)
{
	struct rng rng = rng_start(self);
	long count = min_size((size_t)tap_scale(EACH), EACH);

	for (long i = 0; i < count; i++)
		take(&records[self][i], &rng, (unsigned char)(1 + self * 50 + i % 50));
	barrier();
	for (long i = 0; i < count; i++)
		if (records[self][i].bytes)
			expect(is_filled(records[self][i].bytes,
			                 (unsigned char)(1 + self * 50 + i % 50),
			                 records[self][i].size));
}

/* Let memory come and go while the others take records. */
static void fail_now_and_then(unsigned self)
{
	if (self != 0) {
		fill_and_check(self);
		return;
	}
	for (long i = tap_scale(300); i > 0; i--) {
		atomic_store(&os_fail_map, 1);
		sched_yield();
	}
	barrier();
}

static void test_serial(void)
{
	size_t bytes = meta_bytes();
	unsigned char *whole;

	ok(bytes % CHUNK == 0, "chunks of 4 MiB: %zu bytes", bytes);
	threads(1, fill_and_check);
	no_errors("zeroed, aligned, and nobody writes into them");
	ok(meta_bytes() > bytes, "a chunk follows when one is full");
	whole = meta_take(CHUNK - 4096, 4096);
	ok(whole && is_filled(whole, 0, CHUNK - 4096), "a record may have a chunk of its own");
}

static void test_failure(void)
{
	size_t bytes;

	bytes = meta_bytes();
	atomic_store(&os_fail_map, 1);
	while (meta_take(50000, 8))
		;
	ok(atomic_load(&os_fail_map) == 0 && meta_bytes() == bytes,
	   "no memory: NULL, and nothing is counted");
	ok(meta_take(50000, 8) && meta_bytes() == bytes + CHUNK, "then it works again");
}

static void test_threads(void)
{
	yield_start(tap_seed(), 20);
	threads(WORKERS, fill_and_check);
	no_errors("%d threads: each record is one thread's", WORKERS);
	store_relaxed(&failing, 1);
	threads(WORKERS, fail_now_and_then);
	store_relaxed(&failing, 0);
	atomic_store(&os_fail_map, 0);
	no_errors("the same while the system refuses now and then");
	yield_start(0, 0);
}

int main(void)
{
	test_serial();
	test_failure();
	test_threads();
	return done();
}
