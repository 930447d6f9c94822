/* SPDX-License-Identifier: MIT
 *
 * quiet.h - options and lines on stderr for the models of arenas: all options are 0, and no line is
 * written.
 */
#ifndef ARN_T_QUIET_H
#define ARN_T_QUIET_H

#include "base/option.h"
#include "base/text.h"

size_t option_values[OPTIONS];

void text_add(struct text *text, const char *string)
{
	(void)text, (void)string;
}

void text_add_number(struct text *text, size_t number)
{
	(void)text, (void)number;
}

void text_add_pointer(struct text *text, const void *pointer)
{
	(void)text, (void)pointer;
}

void log_line(const struct text *text)
{
	(void)text;
}

#endif
