/* SPDX-License-Identifier: MIT
 *
 * cpython.c - finds CPython's functions by their names.
 */
#include "python/cpython.h"

#include "python/module.h"

#include <arenite/python.h>

#include <dlfcn.h>
#include <string.h>

struct cpython cpython;

/*
 * The names, and the members of struct cpython that they fill.  Each name is looked for in two
 * ways: by dlsym, which also finds a libpython that was loaded late; and by a weak reference, for a
 * program that has CPython and this library linked in but does not export CPython's names.  A weak
 * reference takes nothing out of an archive, so it does not link CPython to a program that has
 * none.
 */
#define NAMES(X)                                     \
	X(Py_IsInitialized, is_initialized)          \
	X(PyInterpreterState_Main, main_interpreter) \
	X(Py_AddPendingCall, add_pending_call)       \
	X(PyMem_GetAllocator, get_allocator)         \
	X(PyInterpreterState_Get, interpreter)       \
	X(PyObject_Malloc, object_malloc)            \
	X(PyObject_Free, object_free)                \
	X(PyType_GenericAlloc, generic_alloc)        \
	X(Py_DecRef, decref)                         \
	X(PyErr_Clear, clear_error)                  \
	X(PyList_Type, list_type)                    \
	X(PyFloat_Type, float_type)

#define WEAK(symbol, member) extern __attribute__((weak)) char symbol[];
NAMES(WEAK)
WEAK(PyMem_SetAllocator, )
WEAK(Py_GetVersion, )
WEAK(Py_Version, )
WEAK(PyThreadState_GetUnchecked, )

static void *library;

/*
 * Store the address of the symbol at `at`: the one that dlsym finds, else the one that is linked.
 * false: neither is there, and NULL is stored.
 */
static bool find(const char *name, void *linked, void *at)
{
	void *symbol = dlsym(library, name);

	if (!symbol)
		symbol = linked;
	memcpy(at, &symbol, sizeof(symbol));
	return symbol;
}

#define FIND(symbol, member) find(#symbol, symbol, &cpython.member)

/*
 * In a free-threaded build the object hooks need the thread state at each request, so the library
 * tries to read it by itself (tls.h).
 */
static bool find_thread_state(void)
{
	void *function;

	if (!FIND(PyThreadState_GetUnchecked, thread_state))
		return false;
	memcpy(&function, &cpython.thread_state, sizeof(function));
	cpython.thread_state_at = tls_offset(function);
	return true;
}

/*
 * The version, whether this is a build with the GIL, and what a build without it needs.  false: it
 * is older than 3.11, or something is missing.
 */
static bool find_version(void)
{
	const unsigned long *version; /* since 3.11 */

	if (!find("Py_Version", Py_Version, &version) || !FIND(Py_GetVersion, get_version))
		return false;
	cpython.number = (unsigned)(*version >> 16);
	memcpy(cpython.version, cpython.get_version(), sizeof(cpython.version) - 1);
	cpython.version[strcspn(cpython.version, " ")] = '\0';
	/* getversion.c: "3.14.7 free-threading build (...)", in 3.13 "experimental free-threading
	 * build" */
	cpython.gil = strstr(cpython.get_version(), "free-threading build") == NULL;
	return cpython.gil || find_thread_state();
}

enum cpython_found cpython_find(void *where)
{
	bool all = true;

	library = where;
	/* most programs have no Python: this one look is all that is done there */
	if (!FIND(PyMem_SetAllocator, set_allocator))
		return CPYTHON_ABSENT;
	if (!find_version())
		return CPYTHON_UNKNOWN;
#define ALL(symbol, member) all = FIND(symbol, member) && all;
	NAMES(ALL)
	return all ? CPYTHON_FOUND : CPYTHON_UNKNOWN;
}

/* Is the symbol that the process would call by this name in that module? */
static bool is_in(const struct module *module, const char *name)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);
	struct module its;

	return symbol && module_of(&its, symbol) && its.base == module->base &&
	       its.dynamic == module->dynamic;
}

/*
 * The overlay's static.c, which is compiled into the interpreter, calls arn_heap_init.  So a
 * grafted interpreter either imports that name, or has libarenite.a linked into the same file.  An
 * interpreter that was only linked with libarenite-python.a has the name too, but also
 * arn_python_install.
 */
bool cpython_is_grafted(void)
{
	struct module module;
	void *symbol;

	memcpy(&symbol, &cpython.set_allocator, sizeof(symbol));
	if (!module_of(&module, symbol))
		return false;
	return module_imports(&module, "arn_heap_init") ||
	       (is_in(&module, "arn_heap_init") && !is_in(&module, "arn_python_install"));
}
