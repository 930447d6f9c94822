/* SPDX-License-Identifier: MIT */
#include "again.h"

#include "atomic.h"
#include "cpython.h"

#include <dlfcn.h>
#include <locale.h>
#include <string.h>

static void (*expected)(void);
static _Atomic bool x_ended; /* the interpreter; set by Py_FinalizeEx, until again_expect is called for the next */

static void at_interpreter_end(void)
{
	store_release(&x_ended, true);
}

void again_expect(void (*begin)(void))
{
	expected = begin;
	store_release(&x_ended, false);
	/* if its table is full: CPython's reset is not noticed, as without us */
	cpython.at_exit(at_interpreter_end);
}

#ifdef PIC
__attribute__((visibility("default"))) char *setlocale(int category, const char *locale)
{
	static char *(*_Atomic x_next)(int, const char *);
	char *(*next)(int, const char *) = load_acquire(&x_next);

	if (!next) {
		void *symbol = dlsym(RTLD_NEXT, "setlocale");

		memcpy(&next, &symbol, sizeof(symbol));
		store_release(&x_next, next);
	}
	if (load_acquire(&x_ended) && !cpython.is_initialized())
		expected();
	return next(category, locale);
}
#endif
