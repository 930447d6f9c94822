/* SPDX-License-Identifier: MIT
 *
 * A program that loads Python when it needs it: the library finds none at its own start, and one
 * when it is asked again.  t/python/embed/plugin.c does not ask.
 *
 * usage: late LIBPYTHON SCRIPT
 */
#include <arenite/python.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int (*find(const char *name))(const void *)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);
	int (*function)(const void *);

	memcpy(&function, &symbol, sizeof(function));
	return function;
}

static int run(const char *script)
{
	struct arn_python_state state;
	int bad;

	find("Py_Initialize")(NULL);
	bad = find("PyRun_SimpleString")(script) != 0;
	arn_python_state(&state, sizeof(state));
	bad |= state.mem != ARN_PYTHON_SERVED || state.object != ARN_PYTHON_SERVED;
	return bad | (arn_python_install() != ARN_PYTHON_OK);
}

int main(int argc, char **argv)
{
	struct arn_python_state state;

	arn_python_state(&state, sizeof(state));
	if (argc != 3 || arn_python_install() != ARN_PYTHON_ABSENT || *state.version)
		return 2;
	if (!dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL)) {
		puts(dlerror());
		return 3;
	}
	if (arn_python_install() != ARN_PYTHON_OK)
		return 4;
	return run(argv[2]);
}
