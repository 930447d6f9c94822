/* SPDX-License-Identifier: MIT
 *
 * family-ended - an interpreter's state ends, and another one begins at its address, with the same
 * family: what the first has left is the second one's no more, whoever trims or drains it just
 * then.
 */
#include "support/core.h"
#include "support/heaps.h"
#include "support/provider.h"

#include "arena/meta.h"
#include "heap/family.h"
#include "heap/heap.h"

#include <semaphore.h>

/* ---- what is left, beside those who drain and trim it --------------------------------------- */

enum { LEFT = 200 };
static void *left[LEFT];
static char state; /* only its address counts */
static arn_heap of_state;

static arn_family *begin_state(void)
{
	arn_family *begun = arn_family_at(NULL, &state);

	arn_heap_init(&of_state, begun, ARN_TAG_GC);
	return begun;
}

static void free_some(unsigned self)
{
	(void)self;
	for (unsigned i = 0; i < LEFT / 2; i++)
		arn_free(left[i]);
}

/* A state ends and leaves half of its blocks live, and the other half on the way home. */
static struct heap *end_state(void)
{
	struct heap *heap;

	for (unsigned i = 0; i < LEFT; i++)
		left[i] = arn_heap_malloc(&of_state, 100);
	heap = of_state.heap;
	threads(1, free_some);
	arn_heap_abandon(&of_state);
	return heap;
}

static bool count_block(const arn_heap *heap, const struct arn_area *area, void *block, size_t size,
                        void *arg)
{
	(void)heap, (void)area, (void)size;
	*(size_t *)arg += block != NULL;
	return true;
}

static size_t count_orphaned(arn_family *of)
{
	size_t blocks = 0;

	arn_family_visit_orphans(of, ARN_TAG_GC, true, count_block, &blocks);
	return blocks;
}

static void *drain_heap(void *heap)
{
	family_drain_orphan(heap);
	return NULL;
}

static void test_ended_while_tidied(void)
{
	struct heap *heap;
	pthread_t thread;
	arn_family *begun;

	begin_state();
	heap = end_state();
	thread = yield_stop("family_drain_orphan", drain_heap, heap);
	begun = begin_state();
	arn_free(arn_heap_malloc(&of_state, 100));
	ok(of_state.heap != heap,
	   "a state begins where one has ended, whose heap is being drained: it gets another");
	yield_resume(thread);
	ok(load_relaxed(&heap->x_owner) == OWNER_STRANDED && count_orphaned(begun) == 0,
	   "and what the old one has left is not walked when the drainer is done");
	arn_heap_abandon(&of_state);
}

static _Atomic(struct heap *) x_ended;

/* A thread that trims also meets the orphans of a family of which it is no user. */
static void trim_or_begin(unsigned self)
{
	if (self == 0)
		begin_state();
	else
		family_trim(load_acquire(&x_ended));
}

static void test_ended_beside_trim(unsigned one_in)
{
	begin_state();
	for (long i = tap_scale(300); i > 0; i--) {
		struct heap *heap = end_state();

		store_release(&x_ended, heap);
		yield_start(tap_seed() + (uint64_t)i, one_in);
		threads(3, trim_or_begin);
		yield_start(0, 0);
		expect(load_relaxed(&heap->x_owner) == OWNER_STRANDED && heap_is_valid(heap));
		for (unsigned k = LEFT / 2; k < LEFT; k++)
			arn_free(left[k]);
	}
	no_errors("a pause in %u steps: a state begins beside those who trim what the one before "
	          "has left",
	          one_in);
}

/* ---- one after another ----------------------------------------------------------------------- */

enum { STATES = 30, BLOCKS = 400 };

static bool count_visits(const arn_heap *heap, const struct arn_area *area, void *block,
                         size_t size, void *arg)
{
	(void)heap;
	(void)size;
	*(size_t *)arg += block ? 0 : area->used;
	return true;
}

static size_t used_by(arn_family *of, const arn_heap *handle)
{
	size_t used = 0;

	arn_family_visit_orphans(of, (enum arn_tag)handle->tag, true, count_visits, &used);
	arn_heap_visit(handle, true, count_visits, &used);
	return used;
}

/* A state leaves a block of each tag.  All of them are of classes that have caches. */
static arn_family *live_and_end(const void *at, bool is_first)
{
	arn_family *of = arn_family_at(&provider, at);
	static void *block[BLOCKS];
	arn_heap handle;

	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		arn_heap_init(&handle, of, (enum arn_tag)tag);
		for (unsigned i = 0; i < 40 * BLOCKS; i++) {
			if (i >= BLOCKS)
				arn_free(block[i % BLOCKS]);
			block[i % BLOCKS] = arn_heap_malloc(&handle, 200);
		}
		for (unsigned i = 1; i < BLOCKS; i++)
			arn_free(block[i]);
		expect(used_by(of, &handle) == 1 || is_first);
		arn_heap_abandon(&handle);
	}
	return of;
}

static void test_states(void)
{
	static const int state;
	arn_family *of = live_and_end(&state, true);
	size_t heaps = count_heaps(of), bytes;
	char *before = meta_take(CACHE_LINE, CACHE_LINE);

	for (unsigned i = 0; i < STATES; i++)
		expect(live_and_end(&state, false) == of);
	no_errors("what ended states have left is neither counted nor walked");
	ok(count_heaps(of) == heaps + 2 * STATES,
	   "each state that leaves blocks in all heaps costs two: %zu after %zu", count_heaps(of),
	   heaps);
	bytes = (size_t)((char *)meta_take(CACHE_LINE, CACHE_LINE) - before);
	ok(bytes <= (2 * STATES + 1) * (sizeof(struct heap) + CACHE_LINE),
	   "and no more arrays of a pool cache: %zu bytes of records", bytes);
}

enum { GATHERED = 6, NEW = 4 };
static void *to_gather[GATHERED];
static sem_t has_gathered, may_end;

static void *gather_and_wait(void *arg)
{
	for (unsigned i = 0; i < GATHERED; i++)
		arn_free(to_gather[i]);
	sem_post(&has_gathered);
	sem_wait(&may_end);
	return arg;
}

/* A thread has blocks of an ended state in hand, which come home when blocks of the next one are in
 * the same pool. */
static void test_late_home(void)
{
	static const int state;
	arn_heap handle;
	size_t met = 0;
	pthread_t thread;

	sem_init(&has_gathered, 0, 0);
	sem_init(&may_end, 0, 0);
	arn_heap_init(&handle, arn_family_at(&provider, &state), ARN_TAG_MEM);
	for (unsigned i = 0; i < GATHERED; i++)
		to_gather[i] = arn_heap_malloc(&handle, 200);
	pthread_create(&thread, NULL, gather_and_wait, NULL);
	sem_wait(&has_gathered);
	arn_heap_abandon(&handle);
	arn_heap_init(&handle, arn_family_at(&provider, &state), ARN_TAG_MEM);
	for (unsigned i = 0; i < NEW; i++)
		expect(arn_heap_malloc(&handle, 200));
	sem_post(&may_end);
	pthread_join(thread, NULL);
	arn_heap_visit(&handle, true, count_block, &met);
	ok(met == NEW,
	   "blocks of an ended state come home late, and all of the next one's are met: %zu", met);
	arn_heap_abandon(&handle);
}

int main(void)
{
	readers_are_done = true;
	test_late_home();
	test_states(); /* before there are many heaps: bins grow later then */
	test_ended_while_tidied();
	test_ended_beside_trim(3);
	test_ended_beside_trim(30);
	return done();
}
