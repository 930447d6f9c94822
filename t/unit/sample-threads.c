/* SPDX-License-Identifier: MIT
 *
 * sample-threads - option PROFILE with many threads: one that stands still in the middle of a
 * sample keeps nobody from making others, threads free samples of each other, and a child of a fork
 * goes on with those of its parent.
 */
#include "support/core.h"

#include "base/option.h"
#include "profile/profile.h"
#include "support/sample.h"

#include <unistd.h>

/* ---- a thread that stands still -------------------------------------------------------------- */

static const char *stand_at;
static __thread bool may_stand;

static void stand_there(const char *where)
{
	if (!may_stand || strcmp(where, stand_at) != 0)
		return;
	may_stand = false;
	yield_stand();
}

/* Many at a time, so that new records are needed as well as old ones, and batches of them. */
static bool make_and_free_samples(enum arn_tag tag, unsigned rounds)
{
	static __thread void *block[200];
	bool all = true;
	arn_heap handle;

	begin(&handle, tag, 0);
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < array_length(block); i++) {
			make_due(&handle);
			block[i] = arn_heap_malloc(&handle, 100);
			all = all && block[i] && sample_is(pool_find(block[i]));
		}
		for (unsigned i = 0; i < array_length(block); i++)
			arn_free(block[i]);
	}
	arn_heap_abandon(&handle);
	return all;
}

static void *stand_still(void *arg)
{
	may_stand = true;
	make_and_free_samples(ARN_TAG_OBJECT, 10);
	may_stand = false;
	return arg;
}

/* The others make and free as many samples as they like meanwhile. */
static void test_standing(const char *where)
{
	pthread_t thread;
	bool stood;

	stand_at = where;
	yield_arm(stand_there);
	if (pthread_create(&thread, NULL, stand_still, NULL))
		bail("pthread_create");
	for (unsigned ms = 0; !yield_stands() && ms < 20000; ms++)
		usleep(1000);
	stood = yield_stands();
	ok(make_and_free_samples(ARN_TAG_MEM, 5) && stood, "a thread that stands still in %s",
	   where);
	yield_go_on();
	pthread_join(thread, NULL);
	yield_arm(NULL);
}

static void test_progress(void)
{
	static const char *const places[] = { "image_take",    "lookup_add",   "lookup_match",
		                              "lookup_remove", "spare_retire", "spare_step" };

	for (unsigned i = 0; i < array_length(places); i++)
		test_standing(places[i]);
	ok(live_samples() == 0, "and all of them were freed");
}

/* ---- many threads ---------------------------------------------------------------------------- */

enum { SLOTS = 512, ROUNDS = 20000 };
static _Atomic(void *) x_slot[SLOTS];

static void exchange_blocks(unsigned thread)
{
	arn_heap handle;
	struct rng rng = rng_start(thread);
	long n = tap_scale(ROUNDS);

	arn_heap_init(&handle, NULL, thread % 2 ? ARN_TAG_MEM : ARN_TAG_GC);
	for (long i = 0; i < n; i++) {
		size_t size = rng_below(&rng, rng_below(&rng, 100) ? 2000 : 200000);
		void *block = arn_heap_malloc(&handle, size);

		expect(block != NULL);
		memset(block, (int)thread, min_size(size, 64));
		arn_free(exchange_acq_rel(&x_slot[rng_below(&rng, SLOTS)], block));
	}
	arn_heap_abandon(&handle);
}

/* Every tenth block is a sample here, so that their records are in use all the time. */
static void test_threads(void)
{
	option_values[OPTION_PROFILE] = 10000;
	yield_start(tap_seed(), 8);
	threads(4, exchange_blocks);
	yield_start(0, 0);
	option_values[OPTION_PROFILE] = MEAN;
	for (unsigned i = 0; i < SLOTS; i++)
		arn_free(load_relaxed(&x_slot[i]));
	no_errors("four threads make and free samples of each other");
	ok(live_samples() == 0, "none is live when all is freed");
}

/* How many descriptors lead to an image? */
static unsigned images(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n += readlink(path, target, sizeof(target) - 1) > 0 &&
		     strncmp(target, "/memfd:arenite-profile ", 23) == 0;
	}
	return n;
}

static int child_has_one_image(void)
{
	return images() == 1 ? 0 : 1;
}

static int child_goes_on(void)
{
	exchange_blocks(1);
	for (unsigned i = 0; i < SLOTS; i++)
		arn_free(exchange_acq_rel(&x_slot[i], NULL));
	return live_samples() == 0 && image_header()->process == (uint64_t)getpid() ? 0 : 1;
}

static void test_fork(void)
{
	arn_heap handle;
	void *block;

	begin(&handle, ARN_TAG_MEM, 0);
	make_due(&handle);
	block = arn_heap_malloc(&handle, 50);
	for (unsigned i = 0; i < SLOTS; i++)
		store_relaxed(&x_slot[i], NULL);
	store_relaxed(&x_slot[0], block);
	ok(status_of_child(child_goes_on) == 0, "a child goes on with the samples of its parent");
	ok(live_samples() == 1, "its parent does not notice");
	ok(images() == 1 && status_of_child(child_has_one_image) == 0,
	   "a child has an image of its own, and not its parent's");
	arn_free(block);
	arn_heap_abandon(&handle);
}

int main(void)
{
	option_values[OPTION_PROFILE] = MEAN;
	profile_init();
	if (!profile_is_on()) { /* a static program of musl's can open no library */
		skip(1, "liburcu-cds cannot be loaded");
		return done();
	}
	test_progress();
	test_threads();
	test_fork();
	return done();
}
