/* SPDX-License-Identifier: MIT
 *
 * panic.h - the end of the program with a line on stderr (text.h), and what trace.h knows of the
 * callers and the block, from any thread and in any state.
 */
#ifndef ARN_PANIC_H
#define ARN_PANIC_H

#include "base/base.h"

/* A block was misused: write "arenite: what: block, called from caller", and abort.  caller may be
 * NULL. */
_Noreturn void panic_block(const char *what, const void *block, const void *caller);

/* An invariant of the library does not hold: write where, and abort. */
_Noreturn void panic_broken(const char *what, const char *file, int line);

#define invariant(condition)                                          \
	do {                                                          \
		if (unlikely(!(condition)))                           \
			panic_broken(#condition, __FILE__, __LINE__); \
	} while (0)

/* Expensive or redundant checks of the library's own work: in builds with --enable-debug only. */
#ifdef ARN_DEBUG
#define debug_check(condition) invariant(condition)
#else
#define debug_check(condition) ((void)0)
#endif

#endif
