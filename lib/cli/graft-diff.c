/* SPDX-License-Identifier: MIT
 *
 * graft-diff.c - the graft as a patch.  Hardly a line of CPython's file is in the overlay's, so
 * one hunk takes all of the one away and puts all of the other in.
 */
#include "cli/graft.h"

#include <stdio.h>
#include <string.h>

/* The number of lines.  An end without a newline counts as a line, too. */
static size_t lines(const struct content *content)
{
	size_t count = 0;

	for (size_t i = 0; i < content->length; i++)
		count += content->bytes[i] == '\n' || i + 1 == content->length;
	return count;
}

/*
 * Print each line with this sign before it, and where the last newline is missing the remark that
 * patch(1) expects there.
 */
static void print_lines(const struct content *content, char sign)
{
	const char *at = content->bytes, *end = at + content->length, *next;

	for (; at < end; at = next) {
		next = memchr(at, '\n', (size_t)(end - at));
		next = next ? next + 1 : end;
		putchar(sign);
		fwrite(at, 1, (size_t)(next - at), stdout);
		if (next[-1] != '\n')
			puts("\n\\ No newline at end of file");
	}
}

void graft_print_diff(const char *name, const struct content *before, const struct content *after)
{
	if (content_equal(before, after))
		return;
	printf("--- a/%s\n+++ b/%s\n", name, name);
	printf("@@ -%d,%zu +%d,%zu @@\n", before->length > 0, lines(before), after->length > 0,
	       lines(after));
	print_lines(before, '-');
	print_lines(after, '+');
}
