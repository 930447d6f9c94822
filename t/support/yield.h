/* SPDX-License-Identifier: MIT
 *
 * yield.h - what the library's yield points do in the test build: they widen the window between two
 * atomic steps, so that races which are rare by nature are met within a second.
 *
 * yield_start   threads yield or sleep for a moment at one in `one_in` points, at random from the
 *               seed; 0 stops
 * yield_hook    called at every point instead, for tests that force one order of steps
 *
 * One thread that stands still while others go on:
 * yield_arm     a hook that may call yield_stand; nobody stands yet
 * yield_stand   the calling thread stands here until yield_go_on; from the hook, or without one
 * yield_stands  does one?
 */
#ifndef ARN_T_YIELD_H
#define ARN_T_YIELD_H

#include <stdbool.h>
#include <stdint.h>

typedef void yield_fn(const char *where);

void yield_start(uint64_t seed, unsigned one_in);
void yield_hook(yield_fn *hook);

void yield_arm(yield_fn *hook);
void yield_stand(void);
bool yield_stands(void);
void yield_go_on(void);

#endif
