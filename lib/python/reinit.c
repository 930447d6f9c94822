/* SPDX-License-Identifier: MIT */
#include "python/reinit.h"

#include "base/atomic.h"
#include "python/cpython.h"
#include "python/late.h"

#include <dlfcn.h>
#include <locale.h>
#include <string.h>

static void (*expected)(void);
/* the interpreter has begun; false again when reinit_expect is called for the next */
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
/* The interpreter that began is gone, and its runtime may have been replaced. */
static bool has_ended(void)
{
	return load_acquire(&x_begun) && !cpython.is_initialized() &&
	       !cpython.main_interpreter(); /* Z5 */
}

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
