/* SPDX-License-Identifier: MIT
 *
 * cpython.h - what we call in the interpreter of this process, found by name at run time: no
 * CPython header and no libpython is needed to build us, and one library serves all versions.
 *
 * Lifetime    filled once by cpython_find, before hooks are installed; read by everybody
 *             afterwards.
 */
#ifndef ARN_PYTHON_CPYTHON_H
#define ARN_PYTHON_CPYTHON_H

#include "base/base.h"
#include "python/tls.h"

#include <stdbool.h>
#include <stddef.h>

/* PyMemAllocatorEx and PyMemAllocatorDomain of Include/cpython/pymem.h */
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
	/* this thread's, NULL while it is detached; free-threaded builds only */
	void *(*thread_state)(void);
	ptrdiff_t thread_state_at;       /* tls.h: where that reads it; 0: not known */
	void *(*main_interpreter)(void); /* NULL: no interpreter yet, or no longer */
	void *(*interpreter)(void);      /* this attached thread's */
	int (*add_pending_call)(int (*call)(void *), void *arg);
	/* what a self-test allocation needs */
	void *(*object_malloc)(size_t size);
	void (*object_free)(void *block);
	void *(*generic_alloc)(void *type, ptrdiff_t items);
	void (*decref)(void *object);
	void (*clear_error)(void);
	void *list_type, *float_type;
};
extern hidden struct cpython cpython;

static inline void *cpython_thread_state(void)
{
	return cpython.thread_state_at ? tls_load(cpython.thread_state_at) : cpython.thread_state();
}

enum cpython_found { CPYTHON_FOUND, CPYTHON_ABSENT, CPYTHON_UNKNOWN };
/* In a library, or by RTLD_DEFAULT.  UNKNOWN: older than 3.11, or it lacks one of these. */
enum cpython_found cpython_find(void *library);
/* The interpreter calls Arenite by itself: it was built from a grafted tree. */
bool cpython_is_grafted(void);

#endif
