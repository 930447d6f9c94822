/* SPDX-License-Identifier: MIT
 *
 * layout.h - where a free-threaded CPython keeps two things that its public interface does not
 * tell: for which heap the present request is, and the sequence numbers of QSBR.
 *
 * Source      Include/internal/pycore_tstate.h (struct _PyThreadStateImpl), pycore_mimalloc.h
 *             (struct _mimalloc_thread_state), pycore_qsbr.h of each version.
 * Measured    The places differ between versions, and between patch releases of one version:
 *             3.14.10 and 3.15.2 came with other heaps than 3.14.8 and 3.15.0.  So no table of them
 *             is kept.  layout_measure finds each place in the thread state of a running
 *             interpreter, by what has to be true of it.
 * Trust       There is none: a word is read only where the kernel says that there is memory, and
 *             then selftest.c looks at what CPython does with the places that were found.
 */
#ifndef ARN_PYTHON_LAYOUT_H
#define ARN_PYTHON_LAYOUT_H

#include "base/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Offsets in bytes.  All are 0 until they have been measured; until then the object hooks pass
 * every request on to the allocator below.
 */
struct layout {
	unsigned current_heap; /* thread state: mimalloc.current_object_heap */
	unsigned object_heap;  /* thread state: mimalloc.heaps[_Py_MIMALLOC_HEAP_OBJECT] */
	unsigned heap;         /* sizeof(mi_heap_t) */
	unsigned qsbr;         /* thread state: qsbr */
	unsigned size;         /* struct _qsbr_shared: size, of array */
};
extern hidden struct layout layout;

/* What is the same in all versions that are known; layout_measure verifies it. */
#define LAYOUT_INTERP 16 /* thread state: interp */
#define LAYOUT_HEAPS  8  /* from current_object_heap to heaps[0] */

/* struct _qsbr_thread_state of CPython, padded to 64 bytes there. */
struct qsbr_thread {
	uint64_t x_seq; /* 0: detached */
	struct qsbr_shared *shared;
	void *thread_state;
	uint64_t rest[5];
};

/* struct _qsbr_shared of CPython, as far as it is the same in all versions. */
struct qsbr_shared {
	uint64_t x_wr_seq, x_rd_seq;
	struct qsbr_thread *array;
};

/* The pointer that is `offset` bytes behind `base`. */
static inline void *layout_word(const void *base, size_t offset)
{
	return *(void *const *)((const char *)base + offset);
}

/* The record of QSBR that belongs to a thread state. */
static inline struct qsbr_thread *layout_qsbr(const void *thread_state)
{
	return layout_word(thread_state, layout.qsbr);
}

/*
 * Measure the thread state of the calling thread, which is attached to `interp` and is not inside
 * an allocation.  Returns NULL and sets `layout`; or returns a text that says which part was not
 * found, and leaves `layout` as it was.
 */
const char *layout_measure(const void *thread_state, const void *interp);

/*
 * For which of the four heaps in the thread state CPython makes the present request: its number, or
 * -1 if it is none of them.
 */
static inline int layout_tag(const void *thread_state)
{
	const char *heaps = (const char *)thread_state + layout.current_heap + LAYOUT_HEAPS;
	size_t distance = (size_t)((const char *)layout_word(thread_state, layout.current_heap) -
	                           heaps);

	return distance % layout.heap == 0 && distance / layout.heap < 4
	               ? (int)(distance / layout.heap)
	               : -1;
}

#endif
