/* SPDX-License-Identifier: MIT
 *
 * yield.h - what the library's yield points do in the test build.  They widen the window between
 * two atomic steps, so that races which are rare by nature happen within a second.
 *
 * yield_start   threads yield or sleep for a moment at one in `one_in` points, which are picked at
 *               random from the seed.  0 switches this off.
 * yield_hook    this function is called at every point instead, for tests that force one order of
 *               steps.
 *
 * For tests in which one thread stands still while others go on:
 * yield_arm     set a hook that may call yield_stand; no thread stands still yet.
 * yield_stand   the calling thread stands still here until yield_go_on is called.  It may be called
 *               from the hook or from anywhere else.
 * yield_stands  does a thread stand still?
 * yield_stop    start a thread, which stands still when it first comes to this point.  Returns when
 *               it does so: a thread that never comes there keeps the test waiting.
 * yield_resume  the thread goes on.  Returns when it has ended.
 */
#ifndef ARN_T_YIELD_H
#define ARN_T_YIELD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef void yield_fn(const char *where);

void yield_start(uint64_t seed, unsigned one_in);
void yield_hook(yield_fn *hook);

void yield_arm(yield_fn *hook);
void yield_stand(void);
bool yield_stands(void);
void yield_go_on(void);
pthread_t yield_stop(const char *where, void *(*run)(void *arg), void *arg);
void yield_resume(pthread_t thread);

#endif
