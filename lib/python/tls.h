/* SPDX-License-Identifier: MIT
 *
 * tls.h - reads a thread-local pointer of the interpreter without calling it.
 *
 * PyThreadState_GetUnchecked does nothing but load one word, and the object hooks need it at each
 * request.  Where its machine code says that the word stands at the same distance from the thread
 * pointer in all threads, we load it ourselves.  That is so unless it lies in a library that uses
 * the general model of TLS: then it is called.
 */
#ifndef ARN_PYTHON_TLS_H
#define ARN_PYTHON_TLS_H

#include "base/arch.h"

#include <stddef.h>

/* The offset at which this function loads what it returns; 0: it does something else, or we can't
 * read its code. */
ptrdiff_t tls_offset(const void *function);

/* The calling thread's word there. */
static inline void *tls_load(ptrdiff_t offset)
{
	return thread_word(offset);
}

#endif
