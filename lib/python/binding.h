/* SPDX-License-Identifier: MIT
 *
 * binding.h - a thread's heap for objects.  A thread has one at a time: that of the interpreter for
 * which it has allocated last.
 *
 * Owner       the thread.  When it goes to another interpreter it hands its heap over and takes one
 *             of the other's, so whatever it frees as the owner belongs to binding->interp.
 * Lifetime    taken at the thread's first object, and left when a pthread key's destructor runs at
 *             its end.  Records are reused and never freed.  A thread that has left its binding
 *             does not get another one: its later destructors use the interpreter's own allocator.
 * Fork        CPython stops all threads before it forks.  In the child the bindings of threads that
 *             are gone are left on their behalf, and their heaps become orphans.
 * Progress    lock-free.
 * Ordering    Z2  x_bindings: push (release) -> walk (acquire): the record.
 *             S1  the stack of spare records: leave (release) -> take (acquire): the fields.
 */
#ifndef ARN_PYTHON_BINDING_H
#define ARN_PYTHON_BINDING_H

#include "base/stack.h"

#include <arenite/arenite.h>

#include <stdatomic.h>

struct binding {
	const void *interp; /* NULL: none */
	arn_family *family; /* of its heap */
	arn_heap heap;
	size_t deferred; /* qsbr.c: bytes that fell free since the sequence was last advanced */
	_Atomic bool x_taken; /* by a thread; read in the child of a fork */
	struct binding *next; /* all records; Z2 */
	alignas(CACHE_LINE) STACK_NODE spare;
};

/*
 * The calling thread's binding.  Until its first object it is a stand-in that is for no
 * interpreter.
 */
extern __thread struct binding *binding_current;

/*
 * Give the calling thread a heap of this interpreter, and hand over the one that it has.  NULL:
 * there is no memory, or the thread's binding has been left already.  The caller then uses the
 * interpreter's own allocator.
 */
struct binding *binding_take(const void *interp);
/*
 * To be called once, before the others: prepares for what runs at a thread's end and after a fork.
 */
void binding_init(void);
/* Hand over the heap of the calling thread: from now on its binding is for no interpreter. */
void binding_drop(void);

#endif
