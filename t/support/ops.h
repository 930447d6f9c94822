/* SPDX-License-Identifier: MIT
 *
 * ops.h - an interpreter: bytes are operations on the allocator, and a model says what must come of
 * them.
 *
 * The same code serves a seeded test (t/unit/ops.c), and a fuzzer: build t/unit/ops.c with
 * -DARN_FUZZ and -fsanitize=fuzzer, and keep what it finds.  An input can only do what a correct
 * program may do.
 */
#ifndef ARN_T_OPS_H
#define ARN_T_OPS_H

#include <stddef.h>
#include <stdint.h>

/* Runs the bytes to their end, then frees what is left.  NULL: all well, else what went wrong. */
const char *ops_run(const uint8_t *bytes, size_t count);

#endif
