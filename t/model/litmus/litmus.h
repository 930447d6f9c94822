/* SPDX-License-Identifier: MIT
 *
 * litmus.h - what the programs of this folder share.  GenMC runs each of them in all executions
 * that C11 allows, not only in those of an interleaving.  A failed assertion, or two plain accesses
 * of one field that nothing orders, is an error of the program.  t/model/litmus.sh runs them; each
 * has a broken variant that has to fail.
 */
#ifndef ARN_T_LITMUS_H
#define ARN_T_LITMUS_H

#include <assert.h>
#include <pthread.h>

/* GenMC's own headers lack these. */
#ifndef static_assert
#define static_assert _Static_assert
#endif
#define pthread_key_t unsigned

#include "base/atomic.h"
#include "base/base.h"

enum { THREADS_MAX = 4 };

typedef void *litmus_thread(void *arg);

/* Runs the threads beside each other, and returns when they have ended. */
static inline void run_threads(litmus_thread *const *threads, unsigned n)
{
	pthread_t thread[THREADS_MAX];

	for (unsigned i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, threads[i], NULL);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

#endif
