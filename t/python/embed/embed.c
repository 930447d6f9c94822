/* SPDX-License-Identifier: MIT
 *
 * A program that embeds Python on Arenite: what there is to do, and the order.
 *
 * cc embed.c $(python3.13t-config --cflags --embed) $(pkg-config --cflags arenite-python) \
 *     $(pkg-config --libs arenite-python) $(python3.13t-config --ldflags --embed)
 *
 * usage: embed SCRIPT [ROUNDS]: runs SCRIPT in that many interpreters, one after the other.
 */
#include <Python.h>

#include <arenite/python.h>

#include <stdio.h>
#include <stdlib.h>

static const char *const results[] = { "in place",  "disabled",       "built in",
	                               "no Python", "unknown Python", "running" };
static const char *const domains[] = { "left", "waiting", "served", "covered", "removed" };

static void show(const char *when)
{
	struct arn_python_state state;

	arn_python_state(&state, sizeof(state));
	printf("%s: mem %s, object %s%s%s\n", when, domains[state.mem], domains[state.object],
	       state.reason ? ": " : "", state.reason ? state.reason : "");
	fflush(stdout);
}

/*
 * From the second round on Python would reset its allocators in Py_Initialize: it does that when it
 * is pre-initialized, so this goes first.
 */
static int start(int round)
{
	PyPreConfig config;
	enum arn_python_result result;

	PyPreConfig_InitPythonConfig(&config);
	if (round > 0 && PyStatus_Exception(Py_PreInitialize(&config)))
		return -1;
	result = arn_python_install();
	printf("install: %s\n", results[result]);
#ifdef EMBED_DEBUG_HOOKS
	PyMem_SetupDebugHooks();
#endif
	if (result != ARN_PYTHON_OK)
		return -1;
	Py_InitializeEx(0);
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 1;

	for (int round = 0; round < rounds; round++) {
		if (argc < 2 || start(round) != 0)
			return 2;
		if (PyRun_SimpleString(argv[1]) != 0)
			return 1;
		show("running");
		if (Py_FinalizeEx() != 0)
			return 3;
	}
	return 0;
}
