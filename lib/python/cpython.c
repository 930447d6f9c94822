/* SPDX-License-Identifier: MIT */
#include "cpython.h"

#include <arenite/python.h>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

struct cpython cpython;

struct name {
	const char *name;
	void *at;            /* a pointer in `cpython` */
	bool free_threading; /* only there, and in every version that has it */
};

static bool find(const struct name *name)
{
	void *symbol = dlsym(RTLD_DEFAULT, name->name);

	memcpy(name->at, &symbol, sizeof(symbol));
	return symbol || (name->free_threading && cpython.gil);
}

static bool find_version(void)
{
	const struct name get = { "Py_GetVersion", &cpython.get_version, false };
	const unsigned long *version = dlsym(RTLD_DEFAULT, "Py_Version"); /* since 3.11 */

	if (!version || !find(&get))
		return false;
	cpython.number = (unsigned)(*version >> 16);
	memcpy(cpython.version, cpython.get_version(), sizeof(cpython.version) - 1);
	cpython.version[strcspn(cpython.version, " ")] = '\0';
	/* getversion.c: "3.14.7 free-threading build (...)", in 3.13 "experimental free-threading build" */
	cpython.gil = strstr(cpython.get_version(), "free-threading build") == NULL;
	return true;
}

enum cpython_found cpython_find(void)
{
	const struct name names[] = {
		{ "PyMem_SetAllocator", &cpython.set_allocator, false },
		{ "PyMem_GetAllocator", &cpython.get_allocator, false },
		{ "Py_IsInitialized", &cpython.is_initialized, false },
		{ "Py_AddPendingCall", &cpython.add_pending_call, false },
		{ "PyObject_Malloc", &cpython.object_malloc, false },
		{ "PyObject_Free", &cpython.object_free, false },
		{ "PyType_GenericAlloc", &cpython.generic_alloc, false },
		{ "Py_DecRef", &cpython.decref, false },
		{ "PyErr_Clear", &cpython.clear_error, false },
		{ "PyList_Type", &cpython.list_type, false },
		{ "PyFloat_Type", &cpython.float_type, false },
		{ "PyThreadState_GetUnchecked", &cpython.thread_state, true },
	};

	/* in most programs this is all that we do */
	if (!find(&names[0]))
		return CPYTHON_ABSENT;
	if (!find_version())
		return CPYTHON_UNKNOWN;
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (!find(&names[i]))
			return CPYTHON_UNKNOWN;
	return CPYTHON_FOUND;
}

/* A symbol is looked up in the table of those that a module takes from others: they stand before the hashed ones. */
static bool imports(const struct link_map *module, const char *wanted)
{
	const ElfW(Sym) *symbols = NULL;
	const uint32_t *hash = NULL;
	const char *strings = NULL;

	for (const ElfW(Dyn) *entry = module->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_SYMTAB)
			symbols = (const void *)entry->d_un.d_ptr;
		else if (entry->d_tag == DT_STRTAB)
			strings = (const void *)entry->d_un.d_ptr;
		else if (entry->d_tag == DT_GNU_HASH)
			hash = (const void *)entry->d_un.d_ptr;
	}
	for (uint32_t i = 1; symbols && strings && hash && i < hash[1]; i++)
		if (strcmp(strings + symbols[i].st_name, wanted) == 0)
			return true;
	return false;
}

static bool is_in(const Dl_info *module, const char *name)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);
	Dl_info info;

	return symbol && dladdr(symbol, &info) && info.dli_fbase == module->dli_fbase;
}

/* The graft is what calls arn_heap_init from there: from the library, or linked into one file with it. */
bool cpython_is_grafted(void)
{
	struct link_map *map;
	Dl_info info;
	void *symbol;

	memcpy(&symbol, &cpython.set_allocator, sizeof(symbol));
	if (!dladdr1(symbol, &info, (void **)&map, RTLD_DL_LINKMAP))
		return false;
	return imports(map, "arn_heap_init") || (is_in(&info, "arn_heap_init") && !is_in(&info, "arn_python_install"));
}
