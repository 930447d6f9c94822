/* SPDX-License-Identifier: MIT */
#include "base/panic.h"

#include "base/text.h"
#include "base/trace.h"

#include <stdlib.h>

/* Writes what is known, and ends the program.  Nothing is cleaned up, and nothing is allocated: the
 * heaps may be in any state.  If what is known cannot be written because it is damaged, too, the
 * second panic of the thread ends the program at once. */
static _Noreturn void end(const void *block)
{
	static __thread bool ending;

	if (ending)
		abort();
	ending = true;
	trace_write();
	trace_write_python();
	if (block)
		trace_write_block(block);
	abort();
}

_Noreturn void panic_block(const char *what, const void *block, const void *caller)
{
	struct text text = { 0 };

	text_add(&text, what);
	text_add(&text, ": ");
	text_add_pointer(&text, block);
	if (caller) {
		text_add(&text, ", called from ");
		text_add_pointer(&text, caller);
	}
	log_line(&text);
	end(block);
}

/* The line names the condition and its place in the source, so that a report says which invariant
 * was broken. */
_Noreturn void panic_broken(const char *what, const char *file, int line)
{
	struct text text = { 0 };

	text_add(&text, "internal error, please report: ");
	text_add(&text, what);
	text_add(&text, " at ");
	text_add(&text, file);
	text_add(&text, ":");
	text_add_number(&text, (size_t)line);
	log_line(&text);
	end(NULL);
}
