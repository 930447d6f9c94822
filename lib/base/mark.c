/* SPDX-License-Identifier: MIT */
#include "base/mark.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[MARKS] = { STATS_OWNER, COMPLAINED, FIRST_PYTHON };
static size_t marks[MARKS]; /* 0: there is no such mark */

size_t mark_get(enum mark mark)
{
	return marks[mark];
}

/* putenv keeps the string that it is given, so each mark has a buffer of its own that lives as long
 * as the process.  Should it fail for want of memory, the mark holds in this process only. */
void mark_set(enum mark mark, size_t number)
{
	static char entries[MARKS][48]; /* parts of the environment from then on */
	struct text text = { 0 };

	marks[mark] = number;
	text_add(&text, names[mark]);
	text_add(&text, "=");
	text_add_number(&text, number);
	memcpy(entries[mark], text.bytes, text.length);
	entries[mark][text.length] = '\0';
	putenv(entries[mark]);
}

/* A number of 0 means that there is no mark, and no process has the number 0. */
void mark_claim(enum mark mark)
{
	if (marks[mark] == 0)
		mark_set(mark, (size_t)getpid());
}

/* A mark that this process has claimed has its own process number.  After a fork the child has
 * another number, so the mark stays with the parent. */
bool mark_is_ours(enum mark mark)
{
	return marks[mark] == 0 || marks[mark] == (size_t)getpid();
}

/* What follows the name is a decimal number; anything else counts as what strtoul makes of it. */
bool mark_read(const char *entry)
{
	for (enum mark mark = 0; mark < MARKS; mark++) {
		size_t length = strlen(names[mark]);

		if (strncmp(entry, names[mark], length) == 0 && entry[length] == '=') {
			marks[mark] = strtoul(entry + length + 1, NULL, 10);
			return true;
		}
	}
	return false;
}
