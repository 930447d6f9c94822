/* SPDX-License-Identifier: MIT
 *
 * layout.h - where a free-threaded CPython keeps what its public interface does not tell: the heap that the present
 * request is for, and the sequence numbers of QSBR.
 *
 * Source      Include/internal/pycore_tstate.h (struct _PyThreadStateImpl), pycore_mimalloc.h (struct
 *             _mimalloc_thread_state), pycore_qsbr.h of each version.
 * Trust       none: layout_fits looks at the thread state of a running interpreter before a number is used, and
 *             trial.c looks at what CPython does.
 */
#ifndef ARN_PYTHON_LAYOUT_H
#define ARN_PYTHON_LAYOUT_H

#include "base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct layout {
	unsigned number;       /* 0x030d: 3.13 */
	unsigned current_heap; /* thread state: mimalloc.current_object_heap */
	unsigned qsbr;         /* thread state: qsbr */
	unsigned size;         /* struct _qsbr_shared: size, of array */
};
extern hidden struct layout layout;

/* The rest is the same in all versions. */
#define LAYOUT_INTERP 16 /* thread state: interp */
#define LAYOUT_HEAPS 8   /* from current_object_heap to heaps[0] */
#define LAYOUT_HEAP 3064 /* sizeof(mi_heap_t) */
#define LAYOUT_HEAP_TAG 3057

/* struct _qsbr_thread_state, one in 64 bytes */
struct qsbr_thread {
	uint64_t x_seq; /* 0: detached */
	struct qsbr_shared *shared;
	void *thread_state;
	uint64_t rest[5];
};

/* struct _qsbr_shared, as far as it is the same */
struct qsbr_shared {
	uint64_t x_wr_seq, x_rd_seq;
	struct qsbr_thread *array;
};

static inline void *layout_word(const void *base, size_t offset)
{
	return *(void *const *)((const char *)base + offset);
}

static inline struct qsbr_thread *layout_qsbr(const void *thread_state)
{
	return layout_word(thread_state, layout.qsbr);
}

/* Is there a table for this version?  Then `layout` is set. */
bool layout_choose(unsigned number);
/* Does the thread state of the calling, attached thread look as the table says?  Corrects a table that is off by a
 * few words, as between patch releases. */
bool layout_fits(void *thread_state);

/* What CPython asks for at the moment: the number of a heap in the thread state, else -1. */
static inline int layout_tag(const void *thread_state)
{
	const char *heap = layout_word(thread_state, layout.current_heap);
	size_t distance = (size_t)(heap - (const char *)thread_state) - layout.current_heap - LAYOUT_HEAPS;

	return distance % LAYOUT_HEAP == 0 && distance / LAYOUT_HEAP < 4 ? (int)(distance / LAYOUT_HEAP) : -1;
}

#endif
