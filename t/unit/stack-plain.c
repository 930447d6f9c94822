/* SPDX-License-Identifier: MIT
 *
 * stack-plain - t/unit/stack.c on the stack of machines without ck's 16-byte pop.
 */
#define ARN_STACK_PLAIN 1
#include "unit/stack.c"
