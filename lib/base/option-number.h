/* SPDX-License-Identifier: MIT
 *
 * option-number.h - numbers, sizes and words, as one writes them for an option.
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

/* Reads what people write for yes and no; an empty value is no.  false: it is neither. */
bool option_read_switch(const char *value, bool *on);

/* How many bytes at the end of the value say how often the file is to be written: ",10s" are 4, and
 * *seconds is 10.  0: none do; the name of a file may have commas in it. */
size_t option_find_interval(const char *value, unsigned *seconds);

#endif
