/* SPDX-License-Identifier: MIT
 *
 * python-qsbr - grace periods from a free-threaded CPython.  The CPython is an imitation: thread
 * states and an interpreter's sequence numbers, at places where releases have them.  The test
 * attaches and detaches its threads and lets them pass their eval breakers.
 */
#include "support/core.h"
#include "support/probe.h"

#include "support/python-state.h"

#include "python/cpython.h"
#include "python/interp.h"
#include "python/qsbr.h"
#include "python/binding.h"

#include <sys/wait.h>

enum { THREAD_STATES = 3, SMALL = 64, BLOCKS = 4096, OTHER = 1040, OTHERS = 1000 };

struct cpython cpython;

static const struct places *const places = &places_seen[0];

/* An interpreter as far as the library looks into it, and what its thread states point to. */
struct interp_state {
	struct shared shared;
	alignas(64) struct qsbr_thread threads[THREAD_STATES];
};

struct thread_state {
	alignas(64) char bytes[16 * KIB];
};

static struct interp_state first, second;
static struct thread_state states[2][THREAD_STATES];
static __thread struct thread_state *attached;

static void *get_attached(void)
{
	return attached;
}

static void make_interp(struct interp_state *interp, struct thread_state *of)
{
	make_shared(&interp->shared, places, interp->threads, THREAD_STATES);
	for (unsigned i = 0; i < THREAD_STATES; i++) {
		make_state(of[i].bytes, places, interp, &interp->shared, &interp->threads[i]);
		interp->threads[i].x_seq = 0;
	}
}

/* What CPython does at an eval breaker, and when a thread attaches or detaches. */
static void pass(struct interp_state *interp, unsigned number)
{
	interp->threads[number].x_seq = interp->shared.qsbr.x_wr_seq;
}

static void detach(struct interp_state *interp, unsigned number)
{
	interp->threads[number].x_seq = 0;
}

/*
 * From now on the calling thread has this thread state.  Number 0 of the first interpreter is the
 * test's own.
 */
static void be(struct interp_state *interp, unsigned number)
{
	attached = interp ? &states[interp == &second][number] : NULL;
	if (interp)
		pass(interp, number);
}

static uint64_t goal(size_t bytes)
{
	return qsbr_provider.goal(bytes);
}

static bool reached(uint64_t wanted)
{
	return qsbr_provider.reached(wanted);
}

static void start(void)
{
	make_interp(&first, states[0]);
	make_interp(&second, states[1]);
	be(&first, 0);
	binding_drop();
	if (!binding_take(&first))
		bail("no memory");
	binding_current->deferred = 0;
}

static void test_advance(void)
{
	const uint64_t *written = &first.shared.qsbr.x_wr_seq;
	uint64_t before;

	start();
	before = *written;
	ok(goal(64 * KIB) == before + 2 && *written == before,
	   "little memory: the sequence is left alone");
	ok(goal(64 * KIB) == before + 2 && *written == before + 2, "more: it is advanced");
	ok(goal(MIB) == before + 4 && *written == before + 4, "much at once: the same");
}

static void test_threads(void)
{
	uint64_t wanted;

	start();
	pass(&first, 1);
	wanted = goal(MIB);
	ok(!reached(wanted), "nobody has passed");
	pass(&first, 0);
	ok(!reached(wanted), "the other thread has not");
	pass(&first, 1);
	ok(reached(wanted), "both have");
	wanted = goal(MIB);
	pass(&first, 0);
	ok(!reached(wanted), "again, the other has not");
	detach(&first, 1);
	ok(reached(wanted), "a thread that blocks is detached and holds up nobody");
	ok(first.shared.qsbr.x_rd_seq == first.shared.qsbr.x_wr_seq, "and CPython knows it too");
	wanted = goal(MIB);
	pass(&first, 0);
	first.shared.rest[0] = 1;
	pass(&first, 1);
	first.threads[1].x_seq = 1;
	ok(reached(wanted), "records beyond the end are nobody's");
}

/*
 * A goal for little memory has not been issued when it is given.  The thread that asks whether it
 * is reached issues it, once.
 */
static void test_unissued(void)
{
	uint64_t wanted, before;

	start();
	pass(&first, 1);
	before = first.shared.qsbr.x_wr_seq;
	wanted = goal(64 * KIB);
	pass(&first, 0);
	pass(&first, 1);
	ok(wanted > before && first.shared.qsbr.x_wr_seq == before,
	   "a goal that nobody has issued");
	ok(!reached(wanted) && first.shared.qsbr.x_wr_seq == wanted,
	   "whoever asks for it issues it");
	ok(!reached(wanted) && first.shared.qsbr.x_wr_seq == wanted, "once");
	pass(&first, 0);
	pass(&first, 1);
	ok(reached(wanted), "and then it is reached, though nobody wanted another one");
}

static void test_again(void)
{
	uint64_t old;

	start();
	for (unsigned i = 0; i < 100; i++)
		old = goal(MIB);
	ok(!reached(old), "an interpreter gives a goal");
	make_interp(&first, states[0]);
	be(&first, 0);
	ok(reached(old), "its successor at the same address has no readers for it");
}

static void test_user(void)
{
	struct interp *interp = interp_of(&first), *other = interp_of(&second);

	start();
	ok(interp != other && interp->family != other->family && interp_of(&first) == interp,
	   "a family for each interpreter");
	ok(qsbr_provider.is_user(interp->family), "a thread is a user of its own");
	ok(!qsbr_provider.is_user(other->family), "not of the other's");
	be(&second, 0);
	ok(!qsbr_provider.is_user(interp->family) && !qsbr_provider.is_user(other->family),
	   "nor of any while it is attached elsewhere");
	binding_take(&second);
	ok(qsbr_provider.is_user(other->family), "until it has a heap there");
	be(NULL, 0);
	ok(!qsbr_provider.is_user(other->family), "nor detached");
}

static void *blocks[BLOCKS], *others[2 * OTHERS];

static void allocate(void **to, unsigned count, size_t size)
{
	for (unsigned i = 0; i < count; i++)
		if (!(to[i] = arn_heap_malloc(&binding_current->heap, size)))
			bail("no memory");
}

static void give_back(void **from, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		arn_free(from[i]);
}

static unsigned overlaps(void *const *with)
{
	unsigned found = 0;

	for (unsigned i = 0; i < OTHERS; i++)
		for (unsigned k = 0; k < BLOCKS; k++)
			found += (char *)blocks[k] >= (char *)with[i] &&
			         (char *)blocks[k] < (char *)with[i] + OTHER;
	return found;
}

/* No object of another size is put where a reader may still look. */
static void test_heap(void)
{
	start();
	pass(&first, 1);
	allocate(blocks, BLOCKS, SMALL);
	give_back(blocks, BLOCKS);
	pass(&first, 0);
	allocate(others, OTHERS, OTHER);
	ok(overlaps(others) == 0, "a pool keeps its shape while a thread may read in it");
	pass(&first, 0);
	pass(&first, 1);
	allocate(others + OTHERS, OTHERS, OTHER);
	ok(overlaps(others + OTHERS) > 0, "and takes another when nobody does");
	give_back(others, 2 * OTHERS);
}

static size_t claimed(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats.claimed_bytes;
}

/* One round: make objects of two sizes in turn, while the threads pass now and then. */
static void churn(unsigned round, bool other_passes)
{
	size_t size = round % 2 ? 64 : 1040;
	unsigned count = round % 2 ? BLOCKS : OTHERS;
	void **at = round % 2 ? blocks : others;

	allocate(at, count, size);
	give_back(at, count);
	pass(&first, 0);
	if (other_passes)
		pass(&first, 1);
}

static size_t grown(unsigned rounds, bool other_passes)
{
	size_t before = claimed();

	for (unsigned i = 0; i < rounds; i++)
		churn(i, other_passes);
	return claimed() - before;
}

static void test_growth(void)
{
	start();
	pass(&first, 1);
	grown(10, true);
	ok(grown(1000, true) <= 2 * MIB, "threads that run: no growth");
	detach(&first, 1);
	ok(grown(1000, false) <= 2 * MIB, "a thread that blocks: none");
	be(NULL, 0);
	allocate(blocks, BLOCKS, SMALL);
	give_back(blocks, BLOCKS);
	be(&first, 0);
	ok(grown(1000, false) <= 2 * MIB,
	   "pools that fell empty without a thread state: none after them");
}

/* A thread goes from one interpreter to the other and back, with a thread state in each. */
static void test_switch(void)
{
	size_t before;

	start();
	be(&second, 1);
	binding_take(&second);
	be(&first, 0);
	binding_take(&first);
	before = claimed();
	for (unsigned i = 0; i < 200; i++) {
		struct interp_state *interp = i % 2 ? &second : &first;

		be(interp, 0);
		binding_take(interp);
		allocate(blocks, BLOCKS, SMALL);
		be(i % 2 ? &first : &second, 0);
		give_back(blocks, BLOCKS); /* with the other's thread state */
	}
	ok(claimed() - before <= 4 * MIB,
	   "objects freed with another interpreter's thread state: no growth");
}

static void *kept;
static pthread_barrier_t meeting;

static void *hold_binding(void *unused)
{
	(void)unused;
	be(&first, 2);
	binding_take(&first);
	kept = arn_heap_malloc(&binding_current->heap, SMALL);
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	return NULL;
}

static size_t orphans(void)
{
	struct arn_stats stats;

	arn_stats_read(&stats, sizeof(stats));
	return stats.orphan_heaps;
}

static void *take_binding(void *unused)
{
	(void)unused;
	be(&first, 2);
	return binding_take(&first);
}

static int in_child(size_t before)
{
	pthread_t thread;
	void *binding;

	if (orphans() != before + 1)
		return 1;
	arn_free(kept);
#ifdef ARN_TSAN
	return 0; /* it starts no threads in a child */
#endif
	if (pthread_create(&thread, NULL, take_binding, NULL) != 0 ||
	    pthread_join(thread, &binding) != 0)
		return 2;
	return binding ? 0 : 3;
}

static void test_fork(void)
{
	size_t before;
	pthread_t thread;
	int status;
	pid_t pid;

	if (!probe_forks_beside_threads()) {
		skip(1, "children of a process with threads do not live here");
		return;
	}
	start();
	pthread_barrier_init(&meeting, NULL, 2);
	pthread_create(&thread, NULL, hold_binding, NULL);
	pthread_barrier_wait(&meeting);
	before = orphans();
	tap_flush();
	pid = fork();
	if (pid == 0)
		_exit(in_child(before));
	ok(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0,
	   "in a child the heaps of the other threads are free to take");
	ok(orphans() == before, "in the parent they are not");
	pthread_barrier_wait(&meeting);
	pthread_join(thread, NULL);
	ok(orphans() == before + 1, "until the thread ends");
	ok(take_binding(NULL) != NULL, "and its place is taken again");
}

/* No destructor would leave what a thread takes when the last of its destructors run. */
static pthread_key_t late_key;
static _Atomic unsigned x_late_calls;

static void take_late(void *arg)
{
	add_relaxed(&x_late_calls, 1);
	expect(!binding_take(&first));
#ifndef ARN_TSAN /* it leaves before the last time */
	pthread_setspecific(late_key, arg);
#endif
}

static void *end_late(void *arg)
{
	be(&first, 2);
	pthread_setspecific(late_key, arg);
	expect(binding_take(&first));
	return NULL;
}

static void test_ended(void)
{
	pthread_t thread;

	start();
	pthread_key_create(&late_key, take_late);
	pthread_create(&thread, NULL, end_late, &late_key);
	pthread_join(thread, NULL);
	pthread_key_delete(late_key);
	no_errors("a thread that has left its binding gets no other");
	ok(load_relaxed(&x_late_calls) > 0, "it asked %u times", load_relaxed(&x_late_calls));
}

int main(void)
{
	cpython.thread_state = get_attached;
	binding_init();
	make_interp(&first, states[0]);
	be(&first, 0);
	if (layout_measure(attached, &first))
		bail("the imitation is none");
	test_advance();
	test_threads();
	test_unissued();
	test_again();
	test_user();
	test_heap();
	test_growth();
	test_switch();
	test_ended();
	test_fork();
	return done();
}
