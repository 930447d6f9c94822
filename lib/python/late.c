/* SPDX-License-Identifier: MIT */
#include "python/late.h"

#include "base/atomic.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>

static bool (*_Atomic x_install)(void *library);
static unsigned long long loaded_at_start;

/* dl_iterate_phdr's count of the libraries that were loaded since the process began. */
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

/* A further handle of the library that this address belongs to; NULL: it is not in one. */
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

static bool look_in_caller(bool (*install)(void *library), const void *caller)
{
	void *library = library_of(caller, 0);
	bool done = library && install(library);

	if (library)
		dlclose(library);
	return done;
}

/* In most programs nothing was loaded since the start, or there is nothing to look for: they go no
 * further. */
void late_look(const void *caller)
{
	bool (*install)(void *library);

	if (!load_relaxed(&x_install) || loaded() == loaded_at_start)
		return;
	install = exchange_acquire(&x_install, NULL); /* Z6 */
	if (install && !install(RTLD_DEFAULT) && !look_in_caller(install, caller))
		store_release(&x_install, install); /* Z6 */
}
