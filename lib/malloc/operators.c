/* SPDX-License-Identifier: MIT
 *
 * operators.c - operator new and delete of C++, by the names that compilers give them, without a
 * C++ runtime.
 *
 * Those of the runtime would do, since they call malloc; these save the way through them.  What
 * happens when there is no memory is the runtime's affair: its own operator new is called, which
 * tries malloc again, calls the new handler and throws std::bad_alloc.  For an array that of a
 * single object is called, as the runtime would do, because that is the one which calls malloc.
 */
#include "malloc/serve.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME       __attribute__((visibility("default")))
#define NAMED(cxx) __asm__(cxx)

struct nothrow; /* the type of std::nothrow */

/* ---- no memory ------------------------------------------------------------------------------- */

/*
 * The operator of the runtime that the caller was linked with.  Mostly that is the next one of this
 * name in the process.  If a program in C has loaded something in C++ by dlopen, its runtime is
 * seen by what was loaded only: so the module in which the caller lies is asked.  NULL: there is
 * none.
 */
static void *find_operator(const char *name, const void *caller)
{
	void *found = below_find(name), *module;
	Dl_info info;

	if (found || !dladdr(caller, &info) || !info.dli_fname)
		return found;
	module = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (!module)
		return NULL;
	found = dlsym(module, name);
	dlclose(module);
	return found;
}

/* An operator that was asked for memory: without a runtime that could throw, the program ends. */
static void *operator_of(const char *name, const void *caller)
{
	static const char line[] = "arenite: no memory, and no C++ runtime to say so\n";
	void *found = find_operator(name, caller);

	if (found)
		return found;
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		abort();
	abort();
}

static cold void *fail(const char *name, size_t size, const void *caller)
{
	void *(*operator)(size_t);
	void *found = operator_of(name, caller);

	memcpy(&operator, & found, sizeof(operator));
	return operator(size);
}

static cold void *fail_aligned(const char *name, size_t size, size_t alignment, const void *caller)
{
	void *(*operator)(size_t, size_t);
	void *found = operator_of(name, caller);

	memcpy(&operator, & found, sizeof(operator));
	return operator(size, alignment);
}

/* Those that do not throw give NULL where there is no runtime with a new handler. */
static cold void *fail_quietly(const char *name, size_t size, const struct nothrow *nothrow,
                               const void *caller)
{
	void *(*operator)(size_t, const struct nothrow *);
	void *found = find_operator(name, caller);

	memcpy(&operator, & found, sizeof(operator));
	return found ? operator(size, nothrow) : NULL;
}

static cold void *fail_aligned_quietly(const char *name, size_t size, size_t alignment,
                                       const struct nothrow *nothrow, const void *caller)
{
	void *(*operator)(size_t, size_t, const struct nothrow *);
	void *found = find_operator(name, caller);

	memcpy(&operator, & found, sizeof(operator));
	return found ? operator(size, alignment, nothrow) : NULL;
}

/* ---- new ------------------------------------------------------------------------------------- */

/* The runtime says what becomes of an alignment that is none. */
static void *aligned(size_t alignment, size_t size)
{
	return alignment && (alignment & (alignment - 1)) == 0 ? serve_aligned(alignment, size)
	                                                       : NULL;
}

#define NEW(function, cxx, of_runtime)                                                           \
	NAME void *function(size_t size) NAMED(cxx);                                             \
	void *function(size_t size)                                                              \
	{                                                                                        \
		void *block = serve_malloc(size);                                                \
                                                                                                 \
		return likely(block != NULL) ? block : fail(of_runtime, size, caller_address()); \
	}
#define NEW_NOTHROW(function, cxx, of_runtime)                                              \
	NAME void *function(size_t size, const struct nothrow *nothrow) NAMED(cxx);         \
	void *function(size_t size, const struct nothrow *nothrow)                          \
	{                                                                                   \
		void *block = serve_malloc(size);                                           \
                                                                                            \
		return likely(block != NULL)                                                \
		               ? block                                                      \
		               : fail_quietly(of_runtime, size, nothrow, caller_address()); \
	}
#define NEW_ALIGNED(function, cxx, of_runtime)                                                \
	NAME void *function(size_t size, size_t alignment) NAMED(cxx);                        \
	void *function(size_t size, size_t alignment)                                         \
	{                                                                                     \
		void *block = aligned(alignment, size);                                       \
                                                                                              \
		return likely(block != NULL)                                                  \
		               ? block                                                        \
		               : fail_aligned(of_runtime, size, alignment, caller_address()); \
	}
#define NEW_ALIGNED_NOTHROW(function, cxx, of_runtime)                                           \
	NAME void *function(size_t size, size_t alignment, const struct nothrow *nothrow)        \
		NAMED(cxx);                                                                      \
	void *function(size_t size, size_t alignment, const struct nothrow *nothrow)             \
	{                                                                                        \
		void *block = aligned(alignment, size);                                          \
                                                                                                 \
		return likely(block != NULL) ? block                                             \
		                             : fail_aligned_quietly(of_runtime, size, alignment, \
		                                                    nothrow, caller_address());  \
	}

NEW(new_object, "_Znwm", "_Znwm")
NEW(new_array, "_Znam", "_Znwm")
NEW_NOTHROW(new_object_nothrow, "_ZnwmRKSt9nothrow_t", "_ZnwmRKSt9nothrow_t")
NEW_NOTHROW(new_array_nothrow, "_ZnamRKSt9nothrow_t", "_ZnwmRKSt9nothrow_t")
NEW_ALIGNED(new_object_aligned, "_ZnwmSt11align_val_t", "_ZnwmSt11align_val_t")
NEW_ALIGNED(new_array_aligned, "_ZnamSt11align_val_t", "_ZnwmSt11align_val_t")
NEW_ALIGNED_NOTHROW(new_object_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t",
                    "_ZnwmSt11align_val_tRKSt9nothrow_t")
NEW_ALIGNED_NOTHROW(new_array_aligned_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t",
                    "_ZnwmSt11align_val_tRKSt9nothrow_t")

/* ---- delete ---------------------------------------------------------------------------------- */

/* The further arguments, a size, an alignment, std::nothrow, are not needed: the address tells. */
#define DELETE(function, cxx)                       \
	NAME void function(void *block) NAMED(cxx); \
	void function(void *block)                  \
	{                                           \
		serve_free(block);                  \
	}

DELETE(delete_object, "_ZdlPv")
DELETE(delete_array, "_ZdaPv")
DELETE(delete_object_nothrow, "_ZdlPvRKSt9nothrow_t")
DELETE(delete_array_nothrow, "_ZdaPvRKSt9nothrow_t")
DELETE(delete_object_sized, "_ZdlPvm")
DELETE(delete_array_sized, "_ZdaPvm")
DELETE(delete_object_aligned, "_ZdlPvSt11align_val_t")
DELETE(delete_array_aligned, "_ZdaPvSt11align_val_t")
DELETE(delete_object_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t")
DELETE(delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t")
DELETE(delete_object_sized_aligned, "_ZdlPvmSt11align_val_t")
DELETE(delete_array_sized_aligned, "_ZdaPvmSt11align_val_t")
