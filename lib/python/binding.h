/* SPDX-License-Identifier: MIT
 *
 * binding.h - a thread's heap for objects, of the one interpreter that it last allocated for.
 *
 * Owner       the thread.  It changes interpreters by handing one heap over and taking another, so
 *             that whatever it frees as the owner belongs to binding->interp.
 * Lifetime    taken at the first object, left by a pthread key's destructor; records are reused,
 *             never freed.  A thread that has left its binding gets no other: its later destructors
 *             use the interpreter's own allocator.
 * Fork        CPython stops all threads before it forks.  In the child the bindings of the others
 *             are left for them.
 * Progress    lock-free.
 * Ordering    Z2  x_bindings: push (release) -> walk (acquire): the record.
 *             Z3  x_taken: leave (release) -> take (acquire): the fields.
 */
#ifndef ARN_PYTHON_BINDING_H
#define ARN_PYTHON_BINDING_H

#include <arenite/arenite.h>

#include <stdatomic.h>

struct binding {
	const void *interp; /* NULL: none */
	arn_family *family; /* of its heap */
	arn_heap heap;
	size_t deferred; /* qsbr.c's: bytes that became free since the sequence was last advanced */
	_Atomic bool x_taken;
	struct binding *next;
};

/* of this thread; a stand-in without an interpreter until the first object */
extern __thread struct binding *binding_current;

/* Let the calling thread allocate for this interpreter; NULL: no memory, or the thread has
 * ended. */
struct binding *binding_take(const void *interp);
/* Once, before any other: what runs at thread end and after fork. */
void binding_init(void);
/* The calling thread's binding is for no interpreter. */
void binding_drop(void);

#endif
