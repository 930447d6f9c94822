/* SPDX-License-Identifier: MIT
 *
 * cpython.h - the functions of the interpreter that libarenite-python calls.  They are found by
 * name at run time, so neither a header of CPython nor libpython is needed to build the library,
 * and one library serves all versions.
 *
 * Lifetime    `cpython` is filled once by cpython_find, by one thread and before hooks are
 *             installed.  From then on all threads read it.
 */
#ifndef ARN_PYTHON_CPYTHON_H
#define ARN_PYTHON_CPYTHON_H

#include "base/base.h"
#include "python/tls.h"

#include <stdbool.h>
#include <stddef.h>

/* These have the layout of PyMemAllocatorEx and PyMemAllocatorDomain in Include/cpython/pymem.h. */
struct allocator {
	void *ctx;
	void *(*malloc)(void *ctx, size_t size);
	void *(*calloc)(void *ctx, size_t count, size_t size);
	void *(*realloc)(void *ctx, void *block, size_t size);
	void (*free)(void *ctx, void *block);
};
enum domain { DOMAIN_RAW, DOMAIN_MEM, DOMAIN_OBJECT, DOMAINS };

struct cpython {
	void (*get_allocator)(int domain, struct allocator *allocator);
	void (*set_allocator)(int domain, struct allocator *allocator);
	int (*is_initialized)(void);
	const char *(*get_version)(void);
	unsigned number;  /* 0x030d: 3.13 */
	char version[24]; /* "3.13.15" */
	bool gil;         /* not a free-threaded build */
	/* the calling thread's, NULL while it is detached; only in free-threaded builds */
	void *(*thread_state)(void);
	ptrdiff_t thread_state_at;       /* tls.h: where that function reads it; 0: not known */
	void *(*main_interpreter)(void); /* NULL: there is no interpreter yet, or no longer */
	void *(*interpreter)(void);      /* that to which the calling thread is attached */
	int (*add_pending_call)(int (*call)(void *), void *arg);
	/* what the self-test needs to allocate */
	void *(*object_malloc)(size_t size);
	void (*object_free)(void *block);
	void *(*generic_alloc)(void *type, ptrdiff_t items);
	void (*decref)(void *object);
	void (*clear_error)(void);
	void *list_type, *float_type;
};
extern hidden struct cpython cpython;

/*
 * The calling thread's thread state, or NULL while it is detached.  It is read where that is known
 * to be possible, and else the interpreter is called.
 */
static inline void *cpython_thread_state(void)
{
	return cpython.thread_state_at ? tls_load(cpython.thread_state_at) : cpython.thread_state();
}

enum cpython_found { CPYTHON_FOUND, CPYTHON_ABSENT, CPYTHON_UNKNOWN };
/*
 * Look for a CPython in the library with this handle of dlopen, or in all global ones
 * (RTLD_DEFAULT), and fill `cpython`.  ABSENT: none is there.  UNKNOWN: it is older than 3.11, or
 * it lacks one of the functions.
 */
enum cpython_found cpython_find(void *library);
/*
 * Was the interpreter that cpython_find has found built from a grafted tree?  Then it calls Arenite
 * by itself.
 */
bool cpython_is_grafted(void);

#endif
