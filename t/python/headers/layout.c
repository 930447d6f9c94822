/* SPDX-License-Identifier: MIT
 *
 * layout - compiled against the internal headers of a free-threaded CPython: does
 * lib/python/layout.c find in a thread state of that release what its headers say?  Nothing of
 * CPython is linked: the objects are imitations of its types.
 */
#define Py_BUILD_CORE 1
#include <Python.h>

#include "internal/pycore_interp.h"
#include "internal/pycore_mimalloc.h"
#include "internal/pycore_qsbr.h"
#include "internal/pycore_tstate.h"

#include "python/layout.h"

#include <stdio.h>

#ifndef Py_GIL_DISABLED
#error "these headers are configured for a GIL"
#endif

static PyInterpreterState interp;
static _PyThreadStateImpl state;
static struct _qsbr_pad array[8];

/* As tstate_mimalloc_bind, _Py_qsbr_register and _Py_qsbr_attach leave it */
static void start(void)
{
	state.base.interp = &interp;
	for (unsigned i = 0; i < 4; i++) {
		state.mimalloc.heaps[i].tld = &state.mimalloc.tld;
		state.mimalloc.heaps[i].tag = (uint8_t)i;
	}
	state.mimalloc.current_object_heap = &state.mimalloc.heaps[_Py_MIMALLOC_HEAP_OBJECT];
	interp.qsbr.wr_seq = interp.qsbr.rd_seq = 1;
	interp.qsbr.array = array;
	interp.qsbr.size = 8;
#if PY_VERSION_HEX >= 0x030e0000
	interp.qsbr.array_raw = array;
#endif
	state.qsbr = &array[7].qsbr; /* the one that is handed out first */
	*state.qsbr = (struct _qsbr_thread_state){ .seq = 1,
		                                   .shared = &interp.qsbr,
		                                   .tstate = &state.base };
}

static int failed;

static void same(const char *name, size_t is, size_t wanted)
{
	printf("# %-20s %6zu, and the headers say %zu\n", name, is, wanted);
	failed |= is != wanted;
}

int main(void)
{
	const char *missing;

	start();
	missing = layout_measure(&state, &interp);
	printf("# Python %s: %s\n", PY_VERSION, missing ? missing : "measured");
	if (missing)
		return 1;
	same("current_object_heap", layout.current_heap,
	     offsetof(_PyThreadStateImpl, mimalloc.current_object_heap));
	same("heaps[OBJECT]", layout.object_heap,
	     offsetof(_PyThreadStateImpl, mimalloc.heaps) +
	             sizeof(mi_heap_t) * _Py_MIMALLOC_HEAP_OBJECT);
	same("sizeof(mi_heap_t)", layout.heap, sizeof(mi_heap_t));
	same("qsbr", layout.qsbr, offsetof(_PyThreadStateImpl, qsbr));
	same("size of the array", layout.size, offsetof(struct _qsbr_shared, size));
	same("a thread's record", sizeof(struct qsbr_thread), sizeof(struct _qsbr_pad));
	same("its sequence number", offsetof(struct qsbr_thread, x_seq),
	     offsetof(struct _qsbr_thread_state, seq));
	same("its interpreter's", offsetof(struct qsbr_thread, shared),
	     offsetof(struct _qsbr_thread_state, shared));
	same("its thread state", offsetof(struct qsbr_thread, thread_state),
	     offsetof(struct _qsbr_thread_state, tstate));
	for (int tag = 0; tag < 4; tag++) {
		state.mimalloc.current_object_heap = &state.mimalloc.heaps[tag];
		same("a heap's number", (size_t)layout_tag(&state), (size_t)tag);
	}
	return failed;
}
