/* SPDX-License-Identifier: MIT
 *
 * tls.h - reads a thread-local pointer of the interpreter without a call.
 *
 * PyThreadState_GetUnchecked does nothing but load one word, and the object hooks need that word at
 * each request.  If the function's machine code shows that the word is at the same distance from
 * the thread pointer in all threads, the hooks load it by themselves.  That is the case unless the
 * word is in a library that uses the general model of TLS: then the function is called.
 */
#ifndef ARN_PYTHON_TLS_H
#define ARN_PYTHON_TLS_H

#include "base/arch.h"

#include <stddef.h>

/*
 * The offset from the thread pointer, in bytes, at which this function loads the word that it
 * returns.  0: it does something else, or its code is not understood.
 */
ptrdiff_t tls_offset(const void *function);

/* The calling thread's word at this offset. */
static inline void *tls_load(ptrdiff_t offset)
{
	return thread_word(offset);
}

#endif
