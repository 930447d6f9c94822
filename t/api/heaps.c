/* SPDX-License-Identifier: MIT
 *
 * api-heaps - what arenite.h promises of heaps: owners, threads that end, families, walks,
 * statistics.
 */
#include <arenite/arenite.h>
#include <pthread.h>
#include <string.h>

#include "support/tap.h"

enum { MANY = 3000, VISITED_MAX = 20000 };

static uintptr_t own_thread(void)
{
	uintptr_t id;
#if defined(__x86_64__)
	__asm__("movq %%fs:0, %0" : "=r"(id));
#elif defined(__aarch64__)
	__asm__("mrs %0, tpidr_el0" : "=r"(id));
#else
	id = (uintptr_t)__builtin_thread_pointer();
#endif
	return id;
}

static size_t size_at(size_t i)
{
	return i % 500 == 499 ? 300000 + i : i % 50 == 49 ? 5000 + i : i % 700;
}

static void in_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg))
		bail("pthread_create");
	pthread_join(thread, NULL);
}

static size_t live_blocks(unsigned tag)
{
	struct arn_stats s;

	arn_stats_read(&s, sizeof(s));
	return s.tag[tag].live_blocks;
}

/* ---- walks into a list ----------------------------------------------------------------------- */

static struct visited {
	void *block[VISITED_MAX];
	size_t count, areas, used, odd, limit;
} seen;

static bool remember(const arn_heap *heap, const struct arn_area *area, void *block, size_t size,
                     void *arg)
{
	struct visited *v = arg;

	(void)heap;
	if (!block) {
		v->areas++;
		v->used += area->used;
		v->odd += area->block_size > area->full_block_size ||
		          area->committed > area->reserved;
		return true;
	}
	v->odd += size != arn_usable_size(block) || size != area->block_size;
	if (v->count < VISITED_MAX)
		v->block[v->count++] = block;
	return v->count != v->limit;
}

static int compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return (x > y) - (x < y);
}

static bool walk(const arn_heap *heap, size_t limit)
{
	memset(&seen, 0, sizeof seen);
	seen.limit = limit;
	return arn_heap_visit(heap, true, remember, &seen);
}

static bool walk_orphans(arn_family *family, unsigned tag)
{
	memset(&seen, 0, sizeof seen);
	return arn_family_visit_orphans(family, tag, true, remember, &seen);
}

/* The walk met these blocks and no others, each once; NULLs in the list are blocks that are
 * free. */
static bool met(void **blocks, size_t count)
{
	static void *wanted[VISITED_MAX];
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (blocks[i])
			wanted[n++] = blocks[i];
	qsort(wanted, n, sizeof *wanted, compare);
	qsort(seen.block, seen.count, sizeof *seen.block, compare);
	if (seen.count != n || seen.used != n || seen.odd)
		note("visited %zu blocks, areas say %zu, wanted %zu, odd %zu", seen.count,
		     seen.used, n, seen.odd);
	return seen.count == n && seen.used == n && !seen.odd &&
	       !memcmp(wanted, seen.block, n * sizeof *wanted);
}

/* ---- one heap -------------------------------------------------------------------------------- */

static void *block[MANY];

static void make_blocks(arn_heap *heap)
{
	for (size_t i = 0; i < MANY; i++)
		block[i] = arn_heap_malloc(heap, size_at(i));
}

static void free_step(size_t from, size_t step)
{
	for (size_t i = from; i < MANY; i += step) {
		arn_free(block[i]);
		block[i] = NULL;
	}
}

static void *free_thirds(void *arg)
{
	(void)arg;
	free_step(1, 3);
	return NULL;
}

static void test_visit(void)
{
	arn_heap heap, zero;

	memset(&zero, 0, sizeof zero);
	arn_heap_init(&heap, arn_family_new(NULL), ARN_TAG_GC);
	ok(walk(&heap, 0) && !seen.areas && walk(&zero, 0) && !seen.areas,
	   "nothing to visit before the first malloc");
	make_blocks(&heap);
	ok(walk(&heap, 0) && met(block, MANY), "a walk meets every live block once");
	free_step(0, 3);
	ok(walk(&heap, 0) && met(block, MANY), "blocks in the cache are not live");
	in_thread(free_thirds, NULL);
	ok(walk(&heap, 0) && met(block, MANY), "blocks that another thread freed are not live");
	ok(!walk(&heap, 5) && seen.count == 5, "the visitor ends the walk");
	memset(&seen, 0, sizeof seen);
	ok(arn_heap_visit(&heap, false, remember, &seen) && seen.areas && !seen.count,
	   "areas only");
	free_step(2, 3);
	ok(walk(&heap, 0) && met(block, 0), "none left");
	arn_heap_abandon(&heap);
}

static void test_abandon(void)
{
	arn_family *family = arn_family_new(NULL);
	arn_heap heap, other;

	arn_heap_init(&heap, family, ARN_TAG_OBJECT);
	arn_heap_init(&other, family, ARN_TAG_MEM);
	make_blocks(&heap);
	ok(*arn_owner(block[7]) == own_thread() &&
	           arn_owner((char *)block[7] + 5) == arn_owner(block[7]),
	   "the owner of a block, and of a place inside it");
	arn_heap_abandon(&heap);
	arn_heap_abandon(&heap);
	ok(*arn_owner(block[7]) == 0 && *arn_owner(block[499]) == 0, "no owner after abandon");
	ok(walk(&heap, 0) && met(block, 0), "the handle is empty");
	ok(walk_orphans(family, ARN_TAG_OBJECT) && met(block, MANY),
	   "the blocks are visited as orphans");
	ok(walk_orphans(family, ARN_TAG_MEM) && met(block, 0), "not under another tag");
	ok(walk_orphans(NULL, ARN_TAG_OBJECT) && met(block, 0), "not in another family");
	free_step(0, 2);
	ok(walk_orphans(family, ARN_TAG_OBJECT) && met(block, MANY),
	   "blocks of an orphan can be freed");
	arn_free(arn_heap_malloc(&other, 10));
	ok(walk_orphans(family, ARN_TAG_OBJECT) && met(block, MANY),
	   "a heap of another tag does not adopt");
	block[0] = arn_heap_malloc(&heap, 10);
	ok(walk(&heap, 0) && met(block, MANY), "malloc adopts the orphan, whole");
	ok(walk_orphans(family, ARN_TAG_OBJECT) && met(block, 0), "then it is no orphan");
	arn_free(block[0]);
	free_step(1, 2);
	arn_heap_abandon(&heap);
	arn_heap_abandon(&other);
}

static void *adopt_and_abandon(void *arg)
{
	arn_heap *heap = arg;

	block[0] = arn_heap_malloc(heap, 100);
	block[1] = (void *)own_thread();
	block[2] = (void *)*arn_owner(block[0]);
	return NULL;
}

static void test_owner_thread(void)
{
	arn_heap *heap = arn_heap_new(ARN_TAG_GC_PRE);

	in_thread(adopt_and_abandon, heap);
	ok(block[1] == block[2], "the owner is the thread that allocates");
	arn_heap_abandon(heap);
	ok(*arn_owner(block[0]) == 0, "a thread that is gone is abandoned by another");
	arn_heap_delete(heap);
	arn_free(block[0]);
	arn_heap_delete(NULL);
}

static void test_families(void)
{
	arn_family *a = arn_family_new(NULL), *b = arn_family_new(NULL);
	arn_heap in_a, in_b;
	void *p, *q;

	arn_heap_init(&in_a, a, ARN_TAG_MEM);
	arn_heap_init(&in_b, b, ARN_TAG_MEM);
	p = arn_heap_malloc(&in_a, 40);
	arn_heap_abandon(&in_a);
	q = arn_heap_malloc(&in_b, 40);
	ok(walk(&in_b, 0) && met(&q, 1), "a family does not adopt another's orphans");
	ok(walk_orphans(a, ARN_TAG_MEM) && met(&p, 1), "they wait for their own");
	q = arn_heap_realloc(&in_b, p, 100000);
	ok(walk_orphans(a, ARN_TAG_MEM) && met(&p, 0),
	   "a block that realloc moves leaves its heap");
	arn_free(q);
}

/* ---- threads of the domains ------------------------------------------------------------------ */

static void *make_domain_blocks(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < MANY; i++)
		block[i] = i % 2 ? arn_mem_malloc(size_at(i)) : arn_obj_malloc(size_at(i));
	return NULL;
}

static void *free_domain_blocks(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < MANY; i++) {
		(i % 2 ? arn_mem_free : arn_obj_free)(block[i]);
		block[i] = NULL;
	}
	return NULL;
}

static void test_thread_end(void)
{
	size_t mem = live_blocks(ARN_TAG_MEM), obj = live_blocks(ARN_TAG_OBJECT);

	in_thread(make_domain_blocks, NULL);
	ok(live_blocks(ARN_TAG_MEM) - mem == MANY / 2 &&
	           live_blocks(ARN_TAG_OBJECT) - obj == MANY / 2,
	   "blocks outlive their thread and are counted");
	ok(*arn_owner(block[0]) == 0 && *arn_owner(block[1]) == 0, "its heaps have no owner");
	in_thread(free_domain_blocks, NULL);
	ok(live_blocks(ARN_TAG_MEM) == mem && live_blocks(ARN_TAG_OBJECT) == obj,
	   "another thread frees them");
}

/* A thread's heaps are taken over: many threads one after the other need no more heaps than one. */
static void test_adoption(void)
{
	struct arn_stats before, after;

	arn_stats_read(&before, sizeof(before));
	for (int i = 0; i < 50; i++) {
		in_thread(make_domain_blocks, NULL);
		free_domain_blocks(NULL);
	}
	arn_stats_read(&after, sizeof(after));
	ok(after.heaps <= before.heaps + 2, "50 threads in turn share their heaps: %zu, then %zu",
	   before.heaps, after.heaps);
}

struct relay {
	_Atomic(void *) slot;
	size_t bad;
};

static void *receive(void *arg)
{
	struct relay *relay = arg;
	void *p;

	for (size_t i = 0; i < 20000; i++) {
		while (!(p = atomic_exchange(&relay->slot, NULL)))
			sched_yield();
		relay->bad += *(size_t *)p != i;
		arn_mem_free(p);
	}
	return NULL;
}

static void test_cross_free(void)
{
	struct relay relay = { NULL, 0 };
	size_t before = live_blocks(ARN_TAG_MEM);
	pthread_t thread;

	pthread_create(&thread, NULL, receive, &relay);
	for (size_t i = 0; i < 20000; i++) {
		size_t *p = arn_mem_malloc(8 + i % 300);

		*p = i;
		while (atomic_load(&relay.slot))
			sched_yield();
		atomic_store(&relay.slot, p);
	}
	pthread_join(thread, NULL);
	ok(!relay.bad, "blocks arrive whole at another thread");
	ok(live_blocks(ARN_TAG_MEM) == before, "and go home");
}

static void test_trim(void)
{
	struct arn_stats before, after;

	make_domain_blocks(NULL);
	free_domain_blocks(NULL);
	arn_trim();
	arn_stats_read(&before, sizeof(before));
	ok(before.claimed_bytes <= before.arena_bytes && before.heaps >= before.orphan_heaps,
	   "sums are sane");
	arn_trim();
	arn_stats_read(&after, sizeof(after));
	ok(after.retained_bytes == 0, "after arn_trim nothing is retained: %zu bytes",
	   after.retained_bytes);
}

int main(void)
{
	test_visit();
	test_abandon();
	test_owner_thread();
	test_families();
	test_thread_end();
	test_adoption();
	test_cross_free();
	test_trim();
	return done();
}
