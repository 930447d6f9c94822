/* SPDX-License-Identifier: MIT */
#include "base/option-number.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* How far a suffix shifts the number to the left; 0: it is none. */
static size_t suffix_shift(char c)
{
	switch (c) {
	case 'K':
	case 'k':
		return 10;
	case 'M':
	case 'm':
		return 20;
	case 'G':
	case 'g':
		return 30;
	case 'T':
	case 't':
		return 40;
	default:
		return 0;
	}
}

/* Reads digits.  false: there are none, or the number is too large for a word. */
static bool take_digits(const char **value, size_t *number)
{
	const char *begin = *value;

	for (*number = 0; **value >= '0' && **value <= '9'; ++*value) {
		if (*number > (SIZE_MAX - 9) / 10)
			return false;
		*number = *number * 10 + (size_t)(**value - '0');
	}
	return *value != begin;
}

/* Reads what is behind the point of a size, in parts of 2^-shift: at most six digits. */
static bool take_fraction(const char **value, size_t *digits, size_t *divisor)
{
	const char *begin = *value;

	if (!take_digits(value, digits) || *value - begin > 6)
		return false;
	*divisor = 1;
	for (const char *digit = begin; digit < *value; digit++)
		*divisor *= 10;
	return true;
}

bool option_read_number(const char *value, size_t length, bool bytes, size_t *number)
{
	const char *end = value + length;
	size_t n, shift, digits = 0, divisor = 1;
	bool point;

	if (!take_digits(&value, &n))
		return false;
	point = bytes && *value == '.';
	value += point;
	if (point && !take_fraction(&value, &digits, &divisor))
		return false;
	shift = bytes ? suffix_shift(*value) : 0;
	value += shift != 0;
	if (shift && *value == 'i')
		value += value[1] == 'B' ? 2 : 1;
	if (value != end || (point && !shift) || n >= (SIZE_MAX >> shift))
		return false;
	*number = (n << shift) + (digits << shift) / divisor;
	return true;
}

bool option_read_percent(const char *value, size_t *percent)
{
	size_t n;

	if (!take_digits(&value, &n) || value[0] != '%' || value[1] != '\0' || n < 1 || n > 100)
		return false;
	*percent = n;
	return true;
}

bool option_read_switch(const char *value, bool *on)
{
	static const char *const words[] = {
		"", "1", "0", "yes", "no", "true", "false", "on", "off"
	};

	for (size_t i = 0; i < array_length(words); i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*on = i % 2 == 1; /* words for yes are at odd places */
			return true;
		}
	}
	return false;
}

size_t option_find_interval(const char *value, unsigned *seconds)
{
	const char *comma = strrchr(value, ',');
	size_t digits = comma ? strspn(comma + 1, "0123456789") : 0;

	*seconds = 0;
	if (digits == 0 || digits > 5 || strcmp(comma + 1 + digits, "s") != 0)
		return 0;
	*seconds = (unsigned)strtoul(comma + 1, NULL, 10);
	return *seconds ? digits + 2 : 0;
}
