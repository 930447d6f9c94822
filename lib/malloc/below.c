/* SPDX-License-Identifier: MIT */
#include "malloc/below.h"

#include "base/atomic.h"
#include "base/base.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define WEAK __attribute__((weak))
extern void *__libc_malloc(size_t size) WEAK;
extern void *__libc_calloc(size_t count, size_t size) WEAK;
extern void *__libc_realloc(void *block, size_t size) WEAK;
extern void *__libc_memalign(size_t alignment, size_t size) WEAK;
extern void __libc_free(void *block) WEAK;

bool below_is_there(void)
{
	return __libc_malloc && __libc_calloc && __libc_realloc && __libc_memalign && __libc_free;
}

/* Nothing is cleaned up, and nothing is allocated. */
_Noreturn static cold void refuse(void)
{
	static const char line[] = "arenite: pointer is not from malloc\n";

	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		abort();
	abort();
}

void *below_malloc(size_t size)
{
	return __libc_malloc(size);
}

void *below_calloc(size_t count, size_t size)
{
	return __libc_calloc(count, size);
}

void *below_memalign(size_t alignment, size_t size)
{
	if (below_is_there())
		return __libc_memalign(alignment, size);
	errno = ENOMEM;
	return NULL;
}

void *below_realloc(void *block, size_t size)
{
	if (!below_is_there())
		refuse();
	return __libc_realloc(block, size);
}

void below_free(void *block)
{
	if (!below_is_there())
		refuse();
	__libc_free(block);
}

void *below_find(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* glibc has no other name for this one, so it is looked for when it is first asked for.  Two
 * threads that do so find the same. */
size_t below_usable(void *block)
{
	static _Atomic(void *) x_usable;
	void *found = load_relaxed(&x_usable);
	size_t (*usable)(void *);

	if (!found) {
		found = below_find("malloc_usable_size");
		store_relaxed(&x_usable, found);
	}
	memcpy(&usable, &found, sizeof(usable));
	return usable ? usable(block) : 0;
}
