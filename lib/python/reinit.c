/* SPDX-License-Identifier: MIT
 *
 * reinit.c - the setlocale of the shared library, which notices that Python is initialized again.
 */
#include "python/reinit.h"

#include "base/atomic.h"
#include "python/cpython.h"
#include "python/late.h"

#include <dlfcn.h>
#include <locale.h>
#include <string.h>

static void (*expected)(void);
/*
 * An interpreter has begun on the present runtime.  It is false again as soon as reinit_expect is
 * called for the next one.
 */
static _Atomic bool x_begun;

void reinit_begun(void)
{
	store_release(&x_begun, true); /* Z5 */
}

void reinit_expect(void (*begin)(void))
{
	expected = begin;
	store_release(&x_begun, false); /* Z5 */
}

#ifdef PIC
/*
 * Has an interpreter begun, and is there none now?  Then its runtime may have been replaced.
 * Before the first interpreter, and while one runs, the answer is false.
 */
static bool has_ended(void)
{
	return load_acquire(&x_begun) && !cpython.is_initialized() &&
	       !cpython.main_interpreter(); /* Z5 */
}

/*
 * Takes the place of libc's setlocale in the whole process.  Its address is looked up once; two
 * threads that do it at the same time find the same.  Before the call is passed on, a late Python
 * is looked for, and if an interpreter has ended, the hooks are put back by `expected`, which
 * install.c has set.
 */
__attribute__((visibility("default"))) char *setlocale(int category, const char *locale)
{
	static char *(*_Atomic x_next)(int, const char *);
	char *(*next)(int, const char *) = load_acquire(&x_next);

	if (!next) {
		void *symbol = dlsym(RTLD_NEXT, "setlocale");

		memcpy(&next, &symbol, sizeof(symbol));
		store_release(&x_next, next);
	}
	late_look(__builtin_return_address(0));
	if (has_ended())
		expected();
	return next(category, locale);
}
#endif
