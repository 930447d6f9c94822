/* SPDX-License-Identifier: MIT
 *
 * python-state.h - an imitation of what lib/python/layout.c looks at: a thread state, its four
 * heaps, and its record of QSBR, each at the place that the test chooses.
 */
#ifndef ARN_T_PYTHON_STATE_H
#define ARN_T_PYTHON_STATE_H

#include "base/base.h"

#include "python/layout.h"

#include <arenite/arenite.h>

#include <string.h>

/*
 * The places that differ between releases.  `tag` is the place of a heap's number, which the
 * library only compares.
 */
struct places {
	unsigned current_heap, heap, tag, qsbr, size;
};

/*
 * Releases that were seen, with numbers from offsetof and sizeof in their headers.
 * t/python/headers.sh asks the headers of this machine.
 */
static const struct places places_seen[] = {
	{ 352, 3064, 3057, 320, 24 },   /* 3.13.15 */
	{ 352, 3088, 249, 320, 24 },    /* its heaps replaced, as those of 3.14 and 3.15 were */
	{ 936, 3064, 3057, 896, 32 },   /* 3.14.7 */
	{ 936, 3088, 249, 896, 32 },    /* 3.14.10 */
	{ 1104, 3064, 3057, 1064, 32 }, /* 3.15.0 */
	{ 1104, 3088, 249, 1064, 32 },  /* 3.15.2 */
};

/* CPython's struct _qsbr_shared up to `size`, with room for either of its two places. */
struct shared {
	struct qsbr_shared qsbr;
	uint64_t rest[2];
};

static inline void put_word(char *state, size_t offset, const void *pointer)
{
	memcpy(state + offset, &pointer, sizeof(pointer));
}

static inline char *heap_of(char *state, const struct places *is, unsigned tag)
{
	return state + is->current_heap + LAYOUT_HEAPS + (size_t)is->heap * tag;
}

/* Set the heap for which the next request is. */
static inline void set_current_heap(char *state, const struct places *is, unsigned tag)
{
	put_word(state, is->current_heap, heap_of(state, is, tag));
}

static inline void make_heaps(char *state, const struct places *is)
{
	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		put_word(heap_of(state, is, tag), 0, heap_of(state, is, ARN_TAGS));
		heap_of(state, is, tag)[is->tag] = (char)tag;
	}
	set_current_heap(state, is, ARN_TAG_OBJECT);
}

/*
 * Set the array of all threads.  In releases that align it, the address that it had before comes
 * ahead of the size.
 */
static inline void make_shared(struct shared *shared, const struct places *is,
                               struct qsbr_thread *array, size_t count)
{
	*shared = (struct shared){ { 1, 1, array }, { (uintptr_t)array - 16, 0 } };
	shared->rest[is->size == 24 ? 0 : 1] = count;
}

/* Make a thread state, of a thread that is attached. */
static inline void make_state(char *state, const struct places *is, const void *interp,
                              struct shared *shared, struct qsbr_thread *thread)
{
	make_heaps(state, is);
	put_word(state, LAYOUT_INTERP, interp);
	put_word(state, is->qsbr, thread);
	*thread = (struct qsbr_thread){ 1, &shared->qsbr, state, { 0 } };
}

#endif
