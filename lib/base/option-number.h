/* SPDX-License-Identifier: MIT
 *
 * option-number.h - numbers and sizes, as one writes them for an option.
 */
#ifndef ARN_OPTION_NUMBER_H
#define ARN_OPTION_NUMBER_H

#include "base/base.h"

/* Reads digits, and for a number of bytes one of K, M, G, T after them, as in 512K, 1.5G and 4MiB,
 * in `length` bytes.  false: it is not that, or too large for a word; *number is as it was. */
bool option_read_number(const char *value, size_t length, bool bytes, size_t *number);

/* Reads digits and a percent sign, from 1% to 100%.  false: it is not that; *percent is as it was.
 */
bool option_read_percent(const char *value, size_t *percent);

#endif
