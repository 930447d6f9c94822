/* SPDX-License-Identifier: MIT
 *
 * late.c - looks for a Python that has come since the library was loaded.
 */
#include "python/late.h"

#include "base/atomic.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>

/* What to call, while there is something to look for and no thread looks. */
static bool (*_Atomic x_install)(void *library);
static unsigned long long loaded_at_start;

/* dl_iterate_phdr tells how many libraries were loaded since the process began. */
static int read_count(struct dl_phdr_info *any, size_t size, void *count)
{
	(void)size;
	*(unsigned long long *)count = any->dlpi_adds;
	return 1;
}

static unsigned long long loaded(void)
{
	unsigned long long count = 0;

	dl_iterate_phdr(read_count, &count);
	return count;
}

void late_watch(bool (*install)(void *library))
{
	loaded_at_start = loaded();
	store_release(&x_install, install); /* Z6 */
}

/* One more handle of the library to which this address belongs; NULL: it is not in a library. */
static void *library_of(const void *address, int flags)
{
	Dl_info info;

	if (!dladdr(address, &info) || !info.dli_fname)
		return NULL;
	return dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | flags);
}

void late_keep(const void *symbol)
{
	library_of(symbol, RTLD_NODELETE);
}

/* Look for a Python in the library that has called setlocale. */
static bool look_in_caller(bool (*install)(void *library), const void *caller)
{
	void *library = library_of(caller, 0);
	bool done = library && install(library);

	if (library)
		dlclose(library);
	return done;
}

/*
 * In most programs there is nothing to look for, or nothing was loaded since the start, and they go
 * no further.  Otherwise the thread takes x_install, so that no other looks meanwhile, and puts it
 * back if no Python was found.  A thread that finds it taken passes on; the Python that it may be
 * about to initialize is then served only if the other thread finds it.
 */
void late_look(const void *caller)
{
	bool (*install)(void *library);

	if (!load_relaxed(&x_install) || loaded() == loaded_at_start)
		return;
	install = exchange_acquire(&x_install, NULL); /* Z6 */
	if (install && !install(RTLD_DEFAULT) && !look_in_caller(install, caller))
		store_release(&x_install, install); /* Z6 */
}
