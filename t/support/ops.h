/* SPDX-License-Identifier: MIT
 *
 * ops.h - an interpreter, whose bytes are operations on the allocator.  A model says what the
 * result of each has to be.
 *
 * The same code is a test with a seed (t/unit/ops.c) and a fuzzer: build t/unit/ops.c with
 * -DARN_FUZZ and -fsanitize=fuzzer, and keep what it finds.  Whatever the bytes are, they can only
 * do what a correct program may do.
 */
#ifndef ARN_T_OPS_H
#define ARN_T_OPS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Run the bytes to their end, then free what is left.  NULL: all was well.  Otherwise the result
 * says what went wrong.
 */
const char *ops_run(const uint8_t *bytes, size_t count);

#endif
