/* SPDX-License-Identifier: MIT
 *
 * python-layout - the places in a thread state are found by what is true of them: wherever they
 * are, whatever comes before them, and even if a word that looks like a pointer leads to no memory.
 */
#include "support/core.h"

#include "support/python-state.h"

#include <sys/mman.h>
#include <unistd.h>

enum { STATE = 32 * KIB, RECORDS = 8, ROUNDS = 2000 };

static alignas(64) char memory[STATE];
static struct shared shared;
static struct qsbr_thread all_records[2 * RECORDS],
	*const records = &all_records[RECORDS]; /* some before it */
static char interp, other_interp;
static char *nothing; /* a page that may not be read, after one that may */

static const char *measure(const char *state)
{
	return layout_measure(state, &interp);
}

/* An attached thread, with the record that CPython hands out first. */
static char *start(char *state, const struct places *is)
{
	memset(all_records, 0, sizeof(all_records));
	make_shared(&shared, is, records, RECORDS);
	make_state(state, is, &interp, &shared, &records[RECORDS - 1]);
	layout = (struct layout){ 0 };
	return state;
}

static bool is_found(const struct places *is)
{
	return layout.current_heap == is->current_heap && layout.heap == is->heap &&
	       layout.qsbr == is->qsbr &&
	       layout.object_heap == is->current_heap + LAYOUT_HEAPS + is->heap &&
	       layout.size == is->size;
}

static void test_seen(void)
{
	for (size_t i = 0; i < array_length(places_seen); i++) {
		const struct places *is = &places_seen[i];

		memset(memory, 0, sizeof(memory));
		start(memory, is);
		ok(!measure(memory) && is_found(is), "a release: heaps of %u bytes at %u", is->heap,
		   is->current_heap);
	}
}

/*
 * A word as it may be in fields before the heaps: a number, or an address of memory that is there,
 * is ours, or is gone.
 */
static const void *some_word(struct rng *rng, const char *state)
{
#ifdef ARN_ASAN
	/* the others would hit its shadow, which is memory that it does not let us read */
	unsigned kinds = 3;
#else
	unsigned kinds = 8;
#endif

	switch (rng_below(rng, kinds)) {
	case 0:
		return nothing + rng_below(rng, PAGE_MIN);
	case 1:
		return state + rng_below(rng, STATE);
	case 2:
		return &records[rng_below(rng, RECORDS - 1)]; /* of another thread */
	case 3:
		return (const void *)(uintptr_t)rng_next(rng);
	case 4:
		return (const void *)(uintptr_t)(rng_next(rng) | (uintptr_t)1 << 63);
	case 5:
		return nothing - 8 * rng_below(rng, 16);
	default:
		return NULL;
	}
}

static unsigned words_between(struct rng *rng, unsigned least, unsigned most)
{
	return least + 8 * (unsigned)rng_below(rng, (most - least) / 8);
}

static struct places some_places(struct rng *rng)
{
	struct places is;

	is.current_heap = words_between(rng, 256, 3000);
	is.qsbr = words_between(rng, 64, is.current_heap);
	is.heap = words_between(rng, 2048, 4096);
	is.tag = 8 + (unsigned)rng_below(rng, is.heap - 8);
	is.size = rng_below(rng, 2) ? 24 : 32;
	return is;
}

static void fill(struct rng *rng, char *state, size_t end)
{
	memset(state, 0, STATE);
	for (size_t offset = 0; offset < end; offset += 8)
		put_word(state, offset, some_word(rng, state));
}

__attribute__((unused)) static void test_anywhere(void)
{
	struct rng rng = rng_start(1);

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct places is = some_places(&rng);

		fill(&rng, memory, is.current_heap);
		start(memory, &is);
		expect(!measure(memory) && is_found(&is));
	}
	no_errors("wherever they are, and whatever stands before them");
}

/* In a thread state of such words alone nothing is found, and nothing crashes. */
__attribute__((unused)) static void test_nowhere(void)
{
	struct rng rng = rng_start(2);

	layout = (struct layout){ 0 };
	for (unsigned i = 0; i < ROUNDS; i++) {
		fill(&rng, memory, STATE);
		put_word(memory, LAYOUT_INTERP, &interp);
		expect(measure(memory) && layout.current_heap == 0);
	}
	no_errors("rubbish is not taken for a thread state");
}

static void test_end_of_memory(void)
{
	for (size_t size = 8; size <= PAGE_MIN; size += 8) {
		memset(nothing - PAGE_MIN, 0, PAGE_MIN);
		if (size > LAYOUT_INTERP)
			put_word(nothing - size, LAYOUT_INTERP, &interp);
		expect(measure(nothing - size));
	}
	no_errors("a thread state that ends with its page");
	start(memset(memory, 0, sizeof(memory)), &places_seen[0]);
	for (size_t size = 8; size < sizeof(records[0]); size += 8) {
		memset(nothing - size, 0, size);
		if (size > 16)
			put_word(nothing - size, 16, memory);
		put_word(memory, places_seen[0].qsbr, nothing - size);
		expect(measure(memory));
	}
	no_errors("a record that ends with its page");
}

#define REFUSES(change, ...)                                                  \
	do {                                                                  \
		struct places is = places_seen[3];                            \
		start(memset(memory, 0, sizeof(memory)), &is);                \
		change;                                                       \
		ok(measure(memory) && layout.current_heap == 0, __VA_ARGS__); \
	} while (0)

static void test_differences(void)
{
	REFUSES(put_word(memory, LAYOUT_INTERP, &other_interp), "the interpreter stands elsewhere");
	REFUSES(put_word(heap_of(memory, &is, 3), 0, memory), "a heap of another thread");
	REFUSES(heap_of(memory, &is, 2)[is.tag] = 3, "heaps with other numbers");
	REFUSES(set_current_heap(memory, &is, ARN_TAG_GC), "in the middle of an allocation");
	REFUSES(records[RECORDS - 1].thread_state = NULL, "a record without a thread");
	REFUSES(records[RECORDS - 1].x_seq = 0, "a thread that is detached");
	REFUSES(records[RECORDS - 1].x_seq = 2, "a sequence that counts otherwise");
	REFUSES(records[RECORDS - 1].x_seq = 3, "a sequence that is ahead");
	REFUSES(shared.qsbr.x_rd_seq = 3, "readers that are ahead");
	REFUSES(shared.qsbr.array = records + 1, "an array that begins behind another one");
	REFUSES(shared.qsbr.array = (void *)((char *)records - 8), "records of another size");
	REFUSES(shared.rest[1] = RECORDS - 1, "a record that lies outside of the array");
	REFUSES(shared.rest[1] = (uintptr_t)records, "a size that is none");
	/* twice as large: the last one, which is handed out first, lies outside of what we think is
	 * the array */
	REFUSES(shared.qsbr.array = records - RECORDS, "records that have grown");
}

static void test_tag(void)
{
	struct places is = places_seen[1];

	memset(memory, 0, sizeof(memory));
	if (measure(start(memory, &is)))
		bail("nothing was found");
	for (int tag = 0; tag < ARN_TAGS; tag++) {
		set_current_heap(memory, &is, (unsigned)tag);
		ok(layout_tag(memory) == tag, "heap %d is asked for", tag);
	}
	put_word(memory, is.current_heap, &interp);
	ok(layout_tag(memory) == -1, "something that is no heap of this thread");
	put_word(memory, is.current_heap, heap_of(memory, &is, ARN_TAGS));
	ok(layout_tag(memory) == -1, "what stands behind its heaps");
}

int main(void)
{
	char *pages = mmap(NULL, 2 * PAGE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                   -1, 0);

	if (pages == MAP_FAILED || mprotect(pages + PAGE_MAX, PAGE_MAX, PROT_NONE) != 0)
		bail("no memory");
	nothing = pages + PAGE_MAX;
	test_seen();
#if defined(ARN_TSAN) || defined(ARN_ASAN)
	skip(2, "sanitizers know addresses that are no memory of the program's, whatever the "
	        "kernel says");
#else
	test_anywhere();
	test_nowhere();
#endif
	test_end_of_memory();
	test_differences();
	test_tag();
	return done();
}
