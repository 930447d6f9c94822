/* SPDX-License-Identifier: MIT
 *
 * A program that knows nothing of Arenite and loads Python when it needs it, as uWSGI, mod_wsgi and
 * PyInstaller's start program do.
 *
 * usage: plugin LIBPYTHON global|local ROUNDS
 */
#include <dlfcn.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Modules of their own files could not find a libpython that is hidden: builtin ones only. */
static const char script[] = "import sys, gc, _thread\n"
			     "kept = [[str(i) * (i % 300)] for i in range(20000)]\n"
			     "del kept[::2]\n"
			     "gc.collect()\n"
			     "assert all(len(k) == 1 for k in kept)\n";

static void *library;

static int (*find(const char *name))(const void *)
{
	void *symbol = dlsym(library, name);
	int (*function)(const void *);

	memcpy(&function, &symbol, sizeof(function));
	return function;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	setlocale(LC_ALL, "");
	library = dlopen(argv[1],
	                 RTLD_NOW | (strcmp(argv[2], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL));
	if (!library) {
		puts(dlerror());
		return 3;
	}
	setlocale(LC_ALL, "C");
	for (int round = atoi(argv[3]); round > 0; round--) {
		find("Py_Initialize")(NULL);
		if (find("PyRun_SimpleString")(script) != 0)
			return 4;
		find("Py_Finalize")(NULL);
		setlocale(LC_NUMERIC, "C");
	}
	dlclose(library);
	setlocale(LC_ALL, ""); /* what libpython was is not called */
	return 0;
}
