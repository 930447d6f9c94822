/* SPDX-License-Identifier: MIT
 *
 * lookup - a thread that asks about an address at which it holds no block gets an answer, whatever
 * leaves meanwhile: that of a live pool, or none.
 */
#include "support/core.h"

#include "arena/arena.h"
#include "base/option.h"
#include "arena/purge.h"
#include "arena/reclaim.h"
#include "arena/retire.h"

#include <arenite/arenite.h>
#include <sched.h>

enum { HUGE = 4, WORKERS = 3, SPOTS = 64 };
#define HUGE_SIZE (17 * MIB)

/* Keep nothing for reuse, so that arenas leave as soon as they can. */
static void keep_nothing(void)
{
	option_values[OPTION_RETAIN] = 0;
	option_values[OPTION_RETAIN_PERCENT] = 0;
	arn_trim();
}

static bool is_nothing(void *address)
{
	return arn_usable_size(address) == 0 && arn_tag_of(address) == ARN_TAGS &&
	       !arn_try_free(address) && __atomic_load_n(arn_owner(address), __ATOMIC_RELAXED) == 0;
}

static void test_answers(void)
{
	char on_stack[100], *block = arn_mem_malloc(100), *large = arn_mem_malloc(HUGE_SIZE);

	ok(arn_usable_size(block) == 112 && arn_tag_of(block + 50) == ARN_TAG_MEM, "a live block");
	ok(__atomic_load_n(arn_owner(block), __ATOMIC_RELAXED) == thread_id(), "its owner");
	ok(arn_usable_size(large) >= HUGE_SIZE && arn_tag_of(large) == ARN_TAG_MEM,
	   "a large block");
	ok(is_nothing(on_stack) && is_nothing(NULL) && is_nothing((void *)16) &&
	           is_nothing((void *)UINTPTR_MAX) && is_nothing(arena_at(block)),
	   "none: the stack, numbers, what we have for ourselves");
	arn_free(large);
	arn_trim();
	ok(is_nothing(large), "a block whose arena has left");
	ok(arn_try_free(block), "a live block that is tried");
}

/* ---- one that stands still where it has found an arena --------------------------------------- */

static atomic_bool looked;
static __thread bool is_looking;

static void stand(const char *where)
{
	if (is_looking && strcmp(where, "pool_look") == 0)
		yield_stand();
}

static void *look(void *address)
{
	is_looking = true;
	expect(arn_usable_size(address) == 0);
	atomic_store(&looked, true);
	return NULL;
}

static pthread_t start_looking(void *address)
{
	pthread_t thread;

	atomic_store(&looked, false);
	yield_arm(stand);
	pthread_create(&thread, NULL, look, address);
	while (!yield_stands() && !atomic_load(&looked))
		sched_yield();
	return thread;
}

static void end_looking(pthread_t thread)
{
	yield_resume(thread);
}

static void test_found_before(void)
{
	void *block = arn_mem_malloc(HUGE_SIZE);
	pthread_t thread = start_looking(block);

	arn_free(block);
	arn_trim();
	ok(retire_waiting() != 0, "an arena that was found stays while it is looked at");
	end_looking(thread);
	no_errors("whoever looks finds that it has no pool any more");
	arn_trim();
	ok(retire_waiting() == 0, "then it leaves");
}

static void *first_mapped(void *block[HUGE])
{
	for (unsigned i = 0; i < HUGE; i++)
		if (load_relaxed(&registry_bytes[(uintptr_t)block[i] >> ARENA_SHIFT]) != 0)
			return block[i];
	return NULL;
}

/*
 * Arenas leave a few at a time, when the readers of the time when they retired are done.  A reader
 * that comes later finds none of them.
 */
static void test_found_late(void)
{
	void *block[HUGE];
	pthread_t thread;
	size_t before;

	for (unsigned i = 0; i < HUGE; i++)
		block[i] = arn_mem_malloc(HUGE_SIZE);
	reclaim_enter();
	for (unsigned i = 0; i < HUGE; i++)
		arn_free(block[i]);
	reclaim_exit();
	for (unsigned i = 0; i < HUGE && retire_waiting() > 32 * MIB; i++)
		retire_poll();
	before = retire_waiting();
	ok(before != 0 && before <= 32 * MIB, "one arena is left of those that were free together");
	thread = start_looking(first_mapped(block));
	retire_poll();
	end_looking(thread);
	no_errors("who comes when its readers are done does not find it");
	arn_trim();
}

/* ---- many ------------------------------------------------------------------------------------ */

static _Atomic(void *) spots[SPOTS];
static atomic_bool enough;

static bool is_tag(enum arn_tag tag)
{
	return tag <= ARN_TAG_OBJECT || tag == ARN_TAGS;
}

/*
 * Ask, beside threads that make and free blocks and leave the addresses where this one finds them.
 */
static void ask(void)
{
	while (!atomic_load(&enough)) {
		for (unsigned i = 0; i < SPOTS; i++) {
			void *address = atomic_load(&spots[i]);
			uintptr_t owner = __atomic_load_n(arn_owner(address), __ATOMIC_RELAXED);

			expect(arn_usable_size(address) <= 2 * HUGE_SIZE);
			expect(is_tag(arn_tag_of(address)));
			expect(owner % 2 == 0); /* 0, or a thread pointer */
			expect(!address || !arn_try_free(arena_at(address)));
		}
	}
}

static void work(unsigned self)
{
	struct rng rng = rng_start(self);

	if (self == 0) {
		ask();
		return;
	}
	for (long i = tap_scale(1500); i > 0; i--) {
		size_t size = rng_below(&rng, 3) ? HUGE_SIZE : 1 + rng_below(&rng, 100000);
		void *block = rng_below(&rng, 2) ? arn_mem_malloc(size) : arn_obj_malloc(size);

		atomic_store(&spots[rng_below(&rng, SPOTS)], block);
		expect(arn_usable_size(block) >= size);
		arn_free(block);
	}
	atomic_store(&enough, true);
}

int main(void)
{
	keep_nothing();
	test_answers();
	test_found_before();
	test_found_late();
	yield_start(tap_seed(), 5);
	threads(WORKERS, work);
	yield_start(0, 0);
	no_errors("questions about addresses whose arenas come and go");
	return done();
}
