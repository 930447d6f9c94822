/* SPDX-License-Identifier: MIT
 *
 * progress - one thread stands still, at every yield point of the library and, by a signal handler
 * that does not return, at instructions that chance picks.  The others go on, and what they free
 * comes back.  What the one that stands still keeps from coming back is its own heaps and little
 * else.  See doc/progress.md.
 */
#include "support/core.h"

#include "heap/heap.h"
#include "heap/thread.h"
#include "heap/family.h"
#include "os/os.h"

#include <signal.h>

enum { SLOTS = 24, BOXES = 48, WORKERS = 3, NAMES = 64, SWINGS = 30 };
#ifdef ARN_TSAN /* slow: to be done before the alarm */
enum { SIGNALS = 10 };
#else
enum { SIGNALS = 40 };
#endif

/*
 * In bytes, what a thread that stands still may keep beside its own heaps and blocks: what it has
 * in hand, which is an arena at most, and the pools of blocks that it was about to send home.
 */
#define BESIDE_MOST (ARENA_SIZE + 2 * MIB)
#define HUGE_SIZE   (17 * MIB)
/*
 * In bytes of address space, what may be mapped: the arenas that were retired when it stopped, and
 * those in which the others are at work, but not all that they ever had.
 */
#define MAPPED_MOST (640 * MIB)
#define PATIENCE    20.0 /* seconds for what takes some milliseconds */

struct actor {
	struct rng rng;
	arn_heap handle;
	size_t *slot[SLOTS];
};

static _Atomic(size_t *) boxes[BOXES];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void nap(void)
{
	struct timespec moment = { 0, 200000 };

	nanosleep(&moment, NULL);
}

/* ---- what threads do ------------------------------------------------------------------------- */

static size_t some_size(struct rng *rng)
{
	size_t kind = rng_below(rng, 1000);

	if (kind == 0)
		return HUGE_SIZE;
	if (kind < 20)
		return 70000 + rng_below(rng, 400000);
	return 16 + rng_below(rng, kind < 100 ? 60000 : 900);
}

static size_t *make(struct actor *actor)
{
	size_t size = some_size(&actor->rng), kind = rng_below(&actor->rng, 3), *block;

	if (kind == 0)
		block = arn_mem_malloc(size);
	else
		block = kind == 1 ? arn_obj_malloc(size) : arn_heap_malloc(&actor->handle, size);
	expect(block != NULL);
	if (block)
		block[0] = (size_t)block;
	return block;
}

static void drop(size_t *block)
{
	expect(!block || block[0] == (size_t)block);
	arn_free(block);
}

/* Go through all paths: own and remote frees, refills, heaps that change hands, and trims. */
static void act(struct actor *actor)
{
	size_t **slot = &actor->slot[rng_below(&actor->rng, SLOTS)],
	       what = rng_below(&actor->rng, 400);

	if (what == 0)
		arn_trim();
	else if (what < 8)
		arn_heap_abandon(&actor->handle);
	else if (what < 160)
		*slot = atomic_exchange(&boxes[rng_below(&actor->rng, BOXES)], *slot);
	else
		drop(*slot), *slot = make(actor);
}

static void begin(struct actor *actor, uint64_t stream)
{
	*actor = (struct actor){ .rng = rng_start(stream) };
	arn_heap_init(&actor->handle, NULL, ARN_TAG_GC);
}

static void end(struct actor *actor)
{
	for (unsigned i = 0; i < SLOTS; i++)
		drop(actor->slot[i]);
	arn_heap_abandon(&actor->handle);
}

static void empty_boxes(void)
{
	for (unsigned i = 0; i < BOXES; i++)
		drop(atomic_exchange(&boxes[i], NULL));
}

/* ---- the one that stands still --------------------------------------------------------------- */

static __thread bool is_victim;
static _Atomic(const char *) x_stop_at;
static _Atomic unsigned x_skip; /* so often it passes by */
static atomic_bool stands, go_on, enough;
static _Atomic uintptr_t x_victim;
static struct actor victim_actor;

static void stand(void)
{
	atomic_store(&stands, true);
	while (!atomic_load(&go_on))
		nap();
}

static void stop_there(const char *where)
{
	const char *wanted = atomic_load(&x_stop_at);

	if (!is_victim || !wanted || strcmp(where, wanted) != 0 || atomic_load(&stands))
		return;
	if (atomic_load(&x_skip) == 0)
		stand();
	else
		atomic_fetch_sub(&x_skip, 1);
}

static void on_signal(int signal)
{
	(void)signal;
	if (!atomic_load(&stands))
		stand();
}

static void *victim(void *arg)
{
	is_victim = true;
	atomic_store(&x_victim, owner_draw());
	begin(&victim_actor, (uintptr_t)arg);
	while (!atomic_load(&enough))
		act(&victim_actor);
	end(&victim_actor);
	return NULL;
}

static pthread_t start_victim(const char *where, unsigned skip)
{
	pthread_t thread;
	static uintptr_t stream = 1000;

	atomic_store(&stands, false);
	atomic_store(&go_on, false);
	atomic_store(&enough, false);
	atomic_store(&x_skip, skip);
	atomic_store(&x_stop_at, where);
	if (pthread_create(&thread, NULL, victim, (void *)stream++))
		bail("pthread_create");
	return thread;
}

static bool wait_until_it_stands(double seconds)
{
	double end = now() + seconds;

	while (!atomic_load(&stands) && now() < end)
		nap();
	return atomic_load(&stands);
}

static void release_victim(pthread_t thread)
{
	atomic_store(&x_stop_at, NULL);
	atomic_store(&enough, true);
	atomic_store(&go_on, true);
	pthread_join(thread, NULL);
}

/* ---- the others ------------------------------------------------------------------------------ */

static double slowest;
static const size_t steps = 5000;

static void work(unsigned self)
{
	struct actor actor;

	begin(&actor, 10 + self);
	for (size_t i = 0; i < steps; i++)
		act(&actor);
	end(&actor);
}

/* Make many small objects in a thread of its own, which ends: the next one adopts its heap. */
static void swing(unsigned self)
{
	enum { OBJECTS = 40000, BYTES = 400 };
	static void *object[OBJECTS];

	(void)self;
	for (unsigned i = 0; i < OBJECTS; i++)
		expect((object[i] = arn_obj_malloc(BYTES)) != NULL);
	for (unsigned i = 0; i < OBJECTS; i++)
		arn_free(object[i]);
	arn_trim();
}

static void others_go_on(void)
{
	double start = now();

	threads(WORKERS, work);
	slowest = now() - start > slowest ? now() - start : slowest;
	expect(now() - start < PATIENCE);
}

/* ---- what is left ---------------------------------------------------------------------------- */

struct left {
	size_t own, beside, retained, mapped;
};

static struct left most;

static void keep_most(const struct left *left)
{
	most.own = max_size(most.own, left->own);
	most.beside = max_size(most.beside, left->beside);
	most.retained = max_size(most.retained, left->retained);
	most.mapped = max_size(most.mapped, left->mapped);
}

static bool is_victims(const struct heap *heap)
{
	uintptr_t owner = load_relaxed(&heap->x_owner);

	return owner == load_relaxed(&x_victim) || owner == OWNER_DRAINING;
}

/* The bytes of pools in which it uses blocks that others have made. */
static size_t bytes_in_use(void)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct pool *pool = victim_actor.slot[i] ? pool_find(victim_actor.slot[i]) : NULL;

		if (pool && !is_victims(load_relaxed(&pool->x_heap)))
			bytes += pool_span(pool);
	}
	return bytes;
}

/*
 * The bytes of pools in heaps that the thread that stands still has: its own, and an orphan that it
 * drains.
 */
static size_t bytes_of_victim(void)
{
	size_t bytes = 0;

	for (struct heap *heap = load_acquire(&family_default()->x_heaps); heap; heap = heap->next)
		if (is_victims(heap))
			bytes += load_relaxed(&heap->x_pool_bytes);
	return bytes + bytes_in_use();
}

/* Do what any thread can do: drain every orphan, and trim. */
static void settle(void)
{
	for (struct heap *heap = load_acquire(&family_default()->x_heaps); heap; heap = heap->next)
		family_drain_orphan(heap);
	arn_trim();
}

static struct left measure(void)
{
	struct arena_totals totals;
	size_t own = bytes_of_victim();

	arena_totals(&totals);
	return (struct left){ own, totals.claimed - min_size(own, totals.claimed), totals.retained,
		              totals.mapped };
}

static bool look_around(const char *where)
{
	struct left left;

	others_go_on();
	empty_boxes();
	for (unsigned i = 0; i < SWINGS; i++)
		threads(1, swing);
	settle();
	left = measure();
	keep_most(&left);
	if (left.beside + left.retained <= BESIDE_MOST && left.mapped <= MAPPED_MOST)
		return true;
	note("%s: %zu KiB of its own, %zu KiB beside, %zu KiB retained, %zu MiB mapped", where,
	     left.own / KIB, left.beside / KIB, left.retained / KIB, left.mapped / MIB);
	return false;
}

/* ---- yield points ---------------------------------------------------------------------------- */

static _Atomic(const char *) names[NAMES];

static void record(const char *where)
{
	for (unsigned i = 0; i < NAMES; i++) {
		const char *known = atomic_load(&names[i]);

		if (!known && atomic_compare_exchange_strong(&names[i], &known, where))
			return;
		if (strcmp(known, where) == 0)
			return;
	}
}

static bool is_known(const char *name)
{
	for (unsigned i = 0; i < NAMES && atomic_load(&names[i]); i++)
		if (strcmp(atomic_load(&names[i]), name) == 0)
			return true;
	return false;
}

/* Find all yield points that the threads pass, and check that those are among them that must be. */
static void find_points(void)
{
	static const char *const wanted[] = {
		"heap_enter",          "pool_drain",   "remote_send",      "remote_notify",
		"remote_push",         "remote_drain", "family_abandon",   "family_adopt",
		"family_drain_orphan", "claim_one",    "claim_word",       "release_slices",
		"released_slices",     "thread_make",  "thread_give_back", "adopt",
		"stock_take",
	};
	unsigned n = 0;

	yield_hook(record);
	for (unsigned i = 0; i < 3; i++)
		threads(WORKERS, work);
	yield_hook(NULL);
	empty_boxes();
	while (n < NAMES && atomic_load(&names[n]))
		n++;
	for (unsigned i = 0; i < array_length(wanted); i++)
		if (!is_known(wanted[i]))
			ok(false, "no thread passes %s", wanted[i]);
	ok(n < NAMES, "%u yield points", n);
}

/* How long a thread is waited for: a third of a second, and longer where all is slow. */
static double patience(void)
{
	const char *given = getenv("ARN_TEST_SECONDS");
	double longer = given ? atof(given) / 60 : 1;

	return longer > 1 ? 0.3 * longer : 0.3;
}

/*
 * Stop a thread at this point.  It passes some points only once, at its start or end, and is
 * stopped at the first time then.
 */
static bool stand_at(const char *where, pthread_t *thread)
{
	static const unsigned skips[] = { 7, 0 };

	for (unsigned i = 0; i < array_length(skips); i++) {
		*thread = start_victim(where, skips[i]);
		if (wait_until_it_stands(patience()))
			return true;
		atomic_store(&enough, true);
		if (wait_until_it_stands(patience()))
			return true;
		release_victim(*thread);
	}
	return false;
}

static void test_points(void)
{
	unsigned reached = 0, n = 0;

	for (; n < NAMES && atomic_load(&names[n]); n++) {
		const char *where = atomic_load(&names[n]);
		pthread_t thread;

		yield_hook(stop_there);
		if (stand_at(where, &thread)) {
			reached++;
			if (!look_around(where))
				ok(false, "a thread that stands still in %s keeps too much", where);
			release_victim(thread);
		} else {
			note("nobody came to %s", where);
		}
		yield_hook(NULL);
	}
	no_errors("one stands still at a yield point, the others go on, %.2f s at most", slowest);
	/* With pages as large as a slice, three or four points are passed hardly ever. */
	ok(reached + (os_page_size() < SLICE ? 2 : 4) >= n, "at %u of %u points", reached, n);
}

/* ---- any instruction ------------------------------------------------------------------------- */

static void test_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct rng rng = rng_start(5);
	unsigned good = 0;
	long rounds = tap_scale(SIGNALS);

	sigaction(SIGUSR1, &action, NULL);
	slowest = 0;
	for (long i = 0; i < rounds; i++) {
		struct timespec moment = { 0, (long)rng_below(&rng, 6000000) };
		pthread_t thread = start_victim(NULL, 0);

		nanosleep(&moment, NULL);
		pthread_kill(thread, SIGUSR1);
		if (!wait_until_it_stands(PATIENCE))
			bail("the signal does not arrive");
		good += look_around("a signal handler");
		release_victim(thread);
	}
	no_errors("one stands still anywhere, the others go on, %.2f s at most", slowest);
	ok(good == rounds, "and it keeps little: %u of %ld times", good, rounds);
}

/* When no thread stands still any more, everything comes back. */
static void test_end(void)
{
	struct left left;

	atomic_store(&x_victim, 0);
	memset(victim_actor.slot, 0, sizeof(victim_actor.slot));
	empty_boxes();
	settle();
	left = measure();
	ok(left.beside + left.retained == 0,
	   "when all have gone on nothing is left: %zu and %zu KiB", left.beside / KIB,
	   left.retained / KIB);
}

static void say_most(const char *what)
{
	note("%s: at most %zu KiB in its own heaps, %zu KiB beside, %zu KiB retained, %zu MiB "
	     "mapped",
	     what, most.own / KIB, most.beside / KIB, most.retained / KIB, most.mapped / MIB);
	most = (struct left){ 0 };
}

int main(void)
{
	find_points();
	test_points();
	say_most("kept by one that stands at a yield point");
	test_signals();
	say_most("kept by one that stands anywhere");
	test_end();
	return done();
}
