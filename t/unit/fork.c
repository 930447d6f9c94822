/* SPDX-License-Identifier: MIT
 *
 * fork - a process that forks while its threads are anywhere: the child has one thread, heaps whose
 * owners are gone, and goes on allocating, freeing, walking, trimming and forking.
 */
#include "support/core.h"

#include "heap/cache.h"
#include "arena/reclaim-reader.h"
#include "heap/remote.h"
#include "heap/thread.h"
#include "heap/family.h"
#include "heap/heap.h"

#include <signal.h>
#include <sys/wait.h>

enum { WORKERS = 3, BOXES = 64, SECONDS_OF_CHILD = 20 };

static _Atomic(size_t *) boxes[BOXES];
static atomic_bool stop;
static _Atomic size_t x_forks;

static size_t some_size(struct rng *rng)
{
	return rng_below(rng, 30) ? 16 + rng_below(rng, 900) : 16 + rng_below(rng, 200000);
}

static size_t *make(struct rng *rng)
{
	size_t size = some_size(rng),
	       *block = rng_below(rng, 2) ? arn_mem_malloc(size) : arn_obj_malloc(size);

	if (block)
		block[0] = block[1] = (size_t)block;
	return block;
}

static bool check_and_free(size_t *block)
{
	bool whole = !block || (block[0] == (size_t)block && block[1] == (size_t)block);

	arn_free(block);
	return whole;
}

/* ---- in the child ---------------------------------------------------------------------------- */
enum failure {
	CHILD_WELL,
	CHILD_INVALID,
	CHILD_BROKEN_BLOCK,
	CHILD_NO_MEMORY,
	CHILD_OWNER,
	CHILD_REVIVED,
	CHILD_GRANDCHILD
};

static size_t count_stranded(void)
{
	size_t n = 0;

	for (struct heap *heap = load_acquire(&family_default()->x_heaps); heap; heap = heap->next)
		n += load_relaxed(&heap->x_owner) == OWNER_STRANDED;
	return n;
}

/*
 * A heap on which another thread was at work is stranded, and may be in any state.  All others are
 * valid.
 */
static enum failure check_heaps(void)
{
	for (struct heap *heap = load_acquire(&family_default()->x_heaps); heap;
	     heap = heap->next) {
		uintptr_t owner = load_relaxed(&heap->x_owner);

		if (owner > OWNER_STRANDED && owner != owner_self())
			return CHILD_OWNER;
		if (owner != OWNER_NONE && owner != OWNER_STRANDED && !heap_is_valid(heap))
			return CHILD_INVALID;
	}
	return CHILD_WELL;
}

static enum failure use_handle(arn_heap *handle, struct rng *rng)
{
	static size_t *block[200];

	for (unsigned k = 0; k < array_length(block); k++) {
		block[k] = arn_heap_malloc(handle, some_size(rng));
		if (!block[k])
			return CHILD_NO_MEMORY;
		block[k][0] = block[k][1] = (size_t)block[k];
	}
	for (unsigned k = 0; k < array_length(block); k++)
		if (!check_and_free(block[k]))
			return CHILD_BROKEN_BLOCK;
	remote_drain(handle->heap);
	return heap_is_valid(handle->heap) ? CHILD_WELL : CHILD_INVALID;
}

/* A handle that the process has had since its start. */
static arn_heap own;

/* Adopt all orphans that there are: they must work. */
static enum failure use_orphans(struct rng *rng)
{
	for (unsigned i = 0; i < 9; i++) {
		arn_heap handle;
		enum failure failure;

		arn_heap_init(&handle, NULL, i % 3);
		failure = use_handle(&handle, rng);
		if (failure != CHILD_WELL)
			return failure;
	}
	return CHILD_WELL;
}

static bool count_block(const arn_heap *heap, const struct arn_area *area, void *block, size_t size,
                        void *arg)
{
	(void)heap, (void)area, (void)size;
	*(size_t *)arg += block != NULL;
	return true;
}

static enum failure child_life(unsigned depth);

static enum failure fork_again(unsigned depth)
{
	int status = 0;
	size_t stranded = count_stranded();
	pid_t child = depth < 2 ? fork() : -1;

	if (child == 0)
		_exit(count_stranded() < stranded ? CHILD_REVIVED : child_life(depth + 1));
	if (child > 0)
		waitpid(child, &status, 0);
	return status == 0 ? CHILD_WELL : CHILD_GRANDCHILD;
}

static enum failure child_life(unsigned depth)
{
	struct rng rng = rng_start(depth);
	enum failure failure = check_heaps();
	size_t blocks = 0;

	yield_start(0, 0);
	tap_alarm(SECONDS_OF_CHILD);
	for (unsigned i = 0; i < BOXES; i++)
		if (!check_and_free(atomic_exchange(&boxes[i], NULL)))
			return CHILD_BROKEN_BLOCK;
	for (unsigned i = 0; i < 300; i++)
		if (!check_and_free(make(&rng)))
			return CHILD_BROKEN_BLOCK;
	if (failure == CHILD_WELL)
		failure = use_handle(&own, &rng);
	if (failure == CHILD_WELL)
		failure = use_orphans(&rng);
	arn_heap_visit(&own, true, count_block, &blocks);
	for (enum arn_tag tag = ARN_TAG_MEM; tag <= ARN_TAG_GC; tag++)
		arn_family_visit_orphans(NULL, tag, true, count_block, &blocks);
	arn_trim();
	return failure != CHILD_WELL ? failure : fork_again(depth);
}

/* ---- in the parent --------------------------------------------------------------------------- */

static void fork_once(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(child_life(0));
	if (child < 0)
		return;
	waitpid(child, &status, 0);
	if (status != 0)
		note("child: %s %d", WIFSIGNALED(status) ? "signal" : "exit",
		     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	expect(status == 0);
	add_relaxed(&x_forks, 1);
}

static void fork_many(void)
{
	for (long i = tap_scale(25); i > 0; i--) {
		tap_flush();
		fork_once();
	}
	atomic_store(&stop, true);
}

static void live(unsigned self)
{
	struct rng rng = rng_start(self);

	if (self == 0) {
		fork_many();
		return;
	}
	while (!atomic_load(&stop)) {
		expect(check_and_free(atomic_exchange(&boxes[rng_below(&rng, BOXES)], make(&rng))));
		if (rng_below(&rng, 500) == 0)
			arn_trim();
	}
}

static void test_threads(unsigned one_in)
{
	store_relaxed(&x_forks, 0);
	atomic_store(&stop, false);
	yield_start(tap_seed(), one_in);
	threads(1 + WORKERS, live);
	yield_start(0, 0);
	no_errors("%zu forks with a pause in %u steps: children and parent go on",
	          load_relaxed(&x_forks), one_in);
}

static void test_serial(void)
{
	struct rng rng = rng_start(77);

	for (unsigned i = 0; i < BOXES; i++)
		boxes[i] = make(&rng);
	tap_flush();
	fork_once();
	no_errors("the child of one thread");
	for (unsigned i = 0; i < BOXES; i++)
		expect(check_and_free(atomic_exchange(&boxes[i], NULL)));
	no_errors("its frees are not the parent's");
}

/* The process forks while another thread runs this and is stopped by the hook. */
static __thread bool is_beside;

static void fork_beside(yield_fn *hook, void *(*run)(void *), void *arg)
{
	pthread_t thread;

	yield_arm(hook);
	pthread_create(&thread, NULL, run, arg);
	while (!yield_stands())
		sched_yield();
	tap_flush();
	fork_once();
	yield_resume(thread);
}

/* A thread is stopped between sending the blocks that it has gathered and forgetting them. */
static void stop_in_send(const char *where)
{
	if (is_beside && strcmp(where, "remote_send") == 0)
		yield_stand();
}

static void *free_one(void *block)
{
	is_beside = true;
	arn_free(block);
	return NULL;
}

static void test_sender(void)
{
	fork_beside(stop_in_send, free_one, arn_mem_malloc(100));
	no_errors("a child of a process whose other thread is in the middle of sending");
}

/*
 * A thread is stopped while it takes home what was freed to an orphan: one of two words of a pool
 * is home and has not been counted.
 */
static unsigned words;

static void stop_in_tidy(const char *where)
{
	if (is_beside && strcmp(where, "pool_drain") == 0 && ++words == 2)
		yield_stand();
}

static void *drain(void *heap)
{
	is_beside = true;
	family_drain_orphan(heap);
	return NULL;
}

static void *block[100];

static void *leave_blocks(void *arg)
{
	for (unsigned i = 0; i < array_length(block); i++)
		block[i] = arn_obj_malloc(100);
	return arg;
}

static void test_tidier(void)
{
	pthread_t thread;
	struct heap *heap;

	pthread_create(&thread, NULL, leave_blocks, NULL);
	pthread_join(thread, NULL);
	heap = load_relaxed(&pool_find(block[0])->x_heap);
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
	remote_flush();
	words = 0;
	fork_beside(stop_in_tidy, drain, heap);
	no_errors(
		"a child whose other thread was at work on an orphan: nobody uses that heap again");
}

/* ---- a walker -------------------------------------------------------------------------------- */

static void *walk_own(void *arg)
{
	size_t blocks = 0;

	is_beside = true;
	arn_heap_visit(&own, true, count_block, &blocks);
	return arg;
}

static void *walk_orphans(void *arg)
{
	size_t blocks = 0;

	is_beside = true;
	arn_family_visit_orphans(NULL, ARN_TAG_GC, true, count_block, &blocks);
	return arg;
}

static void *rest_own(void *arg)
{
	is_beside = true;
	arn_heap_trim_if_idle(&own);
	return arg;
}

static void *free_all(void *arg)
{
	for (unsigned i = 0; i < array_length(block); i++)
		arn_free(block[i]);
	return arg;
}

/*
 * The user of the heap, which stands still while another thread walks it, forks in the middle of
 * the walk.
 */
static void test_walker(void *(*walk)(void *), const char *what)
{
	pthread_t thread;

	for (unsigned i = 0; i < array_length(block); i++)
		block[i] = arn_heap_malloc(&own, 100);
	pthread_create(&thread, NULL, free_all, NULL);
	pthread_join(thread, NULL);
	store_relaxed(&own.heap->x_trim, true);
	if (walk == walk_orphans)
		arn_heap_abandon(&own);
	words = 0;
	fork_beside(stop_in_tidy, walk, NULL);
	no_errors("a child whose other thread %s: nobody uses that heap again", what);
	ok(!own.heap || own.heap == &heap_none || heap_is_valid(own.heap),
	   "and the parent goes on with it");
}

/* ---- one that adopts ------------------------------------------------------------------------- */

static void stop_in_adopt(const char *where)
{
	if (is_beside && strcmp(where, "adopt") == 0)
		yield_stand();
}

static void *make_one(void *arg)
{
	is_beside = true;
	arn_free(arn_mem_malloc(100));
	return arg;
}

/*
 * The heap of a handle has become an orphan, and another thread is stopped just after it has
 * adopted that orphan for its own record.  No embedder has the heap any more.
 */
static void test_adopter(void)
{
	arn_heap handle;

	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	arn_free(arn_heap_malloc(&handle, 100));
	arn_heap_abandon(&handle);
	fork_beside(stop_in_adopt, make_one, NULL);
	no_errors("a child whose other thread adopted the heap of a handle: it is an orphan again");
}

/* ---- a guest among the readers --------------------------------------------------------------- */

/*
 * A thread is in two sections, one inside the other, when it forks.  Both end in the child, and no
 * grace period waits for them.
 */
static int leave_sections(void)
{
	struct reclaim_grace grace;

	reclaim_grace_begin(&grace);
	if (reclaim_grace_over(&grace))
		return 1;
	reader_exit_as_guest();
	reader_exit_as_guest();
	reclaim_grace_begin(&grace);
	return reclaim_grace_over(&grace) ? 0 : 2;
}

static void test_guest(void)
{
	reader_enter_as_guest();
	reader_enter_as_guest();
	ok(status_of_child(leave_sections) == 0,
	   "a child of a guest is in as many sections as its parent");
	ok(leave_sections() == 0, "and the parent leaves its own");
}

/* ---- what was gathered ----------------------------------------------------------------------- */

/*
 * A thread has freed half of the blocks of another thread's pool and still gathers them.  The one
 * thread of the child owns the pool.
 */
static void *free_half(void *arg)
{
	for (unsigned i = 0; i < 20; i++)
		arn_free(block[i]);
	yield_stand();
	return arg;
}

static void take_all_home(struct heap *heap)
{
	for (unsigned i = 20; i < 40; i++)
		arn_free(block[i]);
	cache_send_home(heap);
	_exit(load_relaxed(&heap->x_pools) == 0 ? CHILD_WELL : CHILD_INVALID);
}

static void test_gathered(void)
{
	pthread_t thread;
	int status = -1;
	arn_heap handle;
	pid_t child;

	arn_heap_init(&handle, NULL, ARN_TAG_MEM);
	for (unsigned i = 0; i < 40; i++)
		block[i] = arn_heap_malloc(&handle, 400);
	yield_arm(NULL);
	pthread_create(&thread, NULL, free_half, NULL);
	while (!yield_stands())
		sched_yield();
	tap_flush();
	child = fork();
	if (child == 0)
		take_all_home(handle.heap);
	waitpid(child, &status, 0);
	ok(status == 0, "in a child, what another thread had gathered comes home");
	yield_go_on();
	pthread_join(thread, NULL);
	for (unsigned i = 20; i < 40; i++)
		arn_free(block[i]);
	arn_heap_abandon(&handle);
}

int main(void)
{
	arn_heap_init(&own, NULL, ARN_TAG_GC);
	test_serial();
	test_guest();
	test_sender();
	test_tidier();
	test_gathered();
	test_walker(walk_own, "walked a heap");
	test_walker(walk_orphans, "walked an orphan");
	test_walker(rest_own, "looked after a heap that rests");
	arn_heap_abandon(&own);
	test_adopter();
	test_threads(5);
	test_threads(200);
	return done();
}
