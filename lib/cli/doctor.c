/* SPDX-License-Identifier: MIT
 *
 * doctor.c - `arenite doctor`: what `arenite run` takes over in an interpreter, and what keeps it
 * from doing so.
 *
 * The interpreter itself is asked: a small program runs in it, under the preload and in the
 * environment as it is (probe.h).  If not everything is served, and a variable in the environment
 * is to blame, it runs once more without these variables.  An interpreter that was built on Arenite
 * runs without the preload.  With --malloc it has that of malloc in any case.
 */
#include "cli/args.h"
#include "cli/preload.h"
#include "cli/probe.h"
#include "cli/program.h"
#include "cli/surroundings.h"
#include "cli/cli.h"
#include "base/option.h"

#include <arenite/arenite.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The variables that matter, and what they do.  With one that defeats Arenite nothing is served. */
static const struct {
	const char *name;
	bool defeats;
	const char *meaning;
} variables[] = {
	{ "ARENITE_DISABLE", true, "switches Arenite off" },
	{ "PYTHONMALLOC", true, "whatever the value, CPython puts its own allocators in again" },
	{ "PYTHONDEVMODE", true,
	  "the same, as does -X dev: debug hooks on CPython's own allocators" },
	{ "ARENITE_DOMAINS", false, "the domains that Arenite may serve" },
	{ "PYTHONTRACEMALLOC", false, "traces each block, on top of Arenite; that is slow" },
	{ "MALLOC_CONF", false,
	  "for jemalloc, which has malloc and raw; Arenite does not read it" },
	{ "MIMALLOC_PURGE_DELAY", false,
	  "for CPython's own heaps, those of the collector's objects" },
};
#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

/*
 * ARENITE_DISABLE=0 is set in the environment, but switches nothing off: so its value is asked for.
 */
static bool is_set(const char *name)
{
	const char *value = getenv(name);

	if (strcmp(name, "ARENITE_DISABLE") == 0)
		return option(OPTION_DISABLE);
	return value && *value;
}

static bool is_served(const char *state)
{
	return strcmp(state, "served") == 0 || strcmp(state, "covered") == 0;
}

/* ---- which program --------------------------------------------------------------------------- */

/*
 * The interpreter that `arenite run NAME` would start: NAME itself, or the one that the script NAME
 * names in its first line.  false: a line on stderr has said why there is none.
 */
static bool find_interpreter(char path[PATH_MAX], const char *name)
{
	char script[PATH_MAX];

	if (!program_find(path, name)) {
		cli_error("cannot run %s: %s", name, strerror(errno));
		return false;
	}
	if (program_is_python(path))
		return true;
	strcpy(script, path);
	if (program_of_script(script, path) && program_is_python(path))
		return true;
	cli_error("%s is no python, nor a script for one; arenite run --stats %s tells more",
	          script, name);
	return false;
}

/* ---- what is told ---------------------------------------------------------------------------- */

/*
 * Tell about one domain.  The number of blocks at the end of the run is left out if it is 0:
 * since 3.14 hardly any are left then.
 */
static void tell_domain(const char *name, const char *state, size_t blocks, const char *but)
{
	printf("  %-8s %s%s", name, state, is_served(state) ? " by Arenite" : "");
	if (is_served(state) && blocks)
		printf(": %zu blocks at the end of the run", blocks);
	puts(is_served(state) ? but : "");
}

/* With option GUARD, what is guarded and how to get less or more of it. */
static void tell_guard(void)
{
	size_t n = option(OPTION_GUARD);

	if (n == 0)
		return;
	if (option(OPTION_PROFILE) > 0)
		printf("  guard    on: one in %zu samples of the profile has a guard page behind "
		       "it\n",
		       n);
	else
		printf("  guard    on: one in %zu blocks has a guard page behind it\n", n);
}

/*
 * Was the interpreter built on Arenite?  Then there are statistics, and they have no part of
 * libarenite-python.
 */
static bool is_built_in(const struct probe *probe)
{
	return probe->statistics && !*probe->mem;
}

/* The raw domain is malloc: it is Arenite's if malloc is. */
static void tell_raw(const struct probe *probe)
{
	if (probe->malloc_served)
		puts("  raw      served by Arenite, as malloc is\n"
		     "  malloc   served by Arenite: extensions, libraries, and libc itself");
	else
		puts("  raw      not touched, by design; --malloc has it, and extensions");
}

/*
 * Tell about an interpreter that was built on Arenite; there option DOMAINS alone decides.  true:
 * both domains are served.
 */
static bool tell_built_in(const struct probe *probe)
{
	const size_t domains = option(OPTION_DOMAINS) & (SERVE_MEM | SERVE_OBJECT);

	puts("  built    on Arenite: it needs no preload");
	tell_domain("mem", domains & SERVE_MEM ? "served" : "left", probe->mem_blocks, "");
	tell_domain("object", domains & SERVE_OBJECT ? "served" : "left", probe->object_blocks, "");
	puts("  gc       served by Arenite, and so are the collector's walks");
	tell_raw(probe);
	tell_guard();
	return domains == (SERVE_MEM | SERVE_OBJECT);
}

static void tell_domains(const struct probe *probe)
{
	tell_domain("mem", probe->mem, probe->mem_blocks, "");
	tell_domain("object", probe->object, probe->object_blocks,
	            probe->free_threaded ? "; the collector's stay with CPython" : "");
	tell_raw(probe);
	tell_guard();
	if (*probe->reason)
		printf("  because  %s\n", probe->reason);
}

/* Why there are no statistics, or none about Python. */
static const char *explain(const struct probe *probe)
{
	if (is_set("ARENITE_DISABLE"))
		return "ARENITE_DISABLE is set";
	if (!probe->loaded)
		return "the library was not loaded: is the interpreter static, or for another "
		       "machine or C library?";
	return "it is not a CPython of 3.11 or later";
}

static void tell_interpreter(const char *path, const struct probe *probe)
{
	printf("%s: %s %s, %s%s\n", path, probe->implementation, probe->version,
	       probe->free_threaded ? "free-threaded" : "with a GIL",
	       probe->debug ? ", a debug build" : "");
	if (strcmp(path, probe->executable) != 0)
		printf("  is       %s\n", probe->executable);
	if (probe->free_threaded && probe->gil)
		puts("  note     its GIL is on: PYTHON_GIL, -X gil, or a module that asks for it");
	if (probe->memray)
		puts("  note     memray is installed: use memray run --trace-python-allocators, "
		     "else it "
		     "blames\n           whoever makes an arena for all of its 32M");
}

/*
 * The dynamic linker does not start an interpreter that was built on Arenite if the libarenite that
 * it finds is not one that fits.  Its message names a symbol or a version that is missing: tell
 * what that means, and what can be done.
 */
static void tell_refusal(const char *complaint)
{
	const char *found = program_arenite();

	if (!strstr(complaint, "arn_") && !strstr(complaint, "ARENITE_") &&
	    !strstr(complaint, "libarenite."))
		return;
	if (!*found)
		puts("  because  it was built on Arenite, and there is no libarenite where it "
		     "looks: set LD_LIBRARY_PATH");
	else if (strstr(complaint, "arn_layout_"))
		printf("  because  it was built on another layout of Arenite's memory than that "
		       "of\n           %s:\n           graft and build it again, or set "
		       "LD_LIBRARY_PATH to the libarenite of its build\n",
		       found);
	else
		printf("  because  it was built on a later Arenite than\n           %s:\n"
		       "           set LD_LIBRARY_PATH to a libarenite that is not older than "
		       "its build\n",
		       found);
}

/*
 * Tell what the trial has found.  A program that did not run to its end, or said nothing that is
 * understood, is reported with the end of what it wrote to stderr.  true: both domains are served.
 */
static bool tell(const char *path, const struct probe *probe)
{
	if (probe->status != 0 || !*probe->implementation) {
		if (WIFSIGNALED(probe->status))
			printf("%s: died of signal %d\n", path, WTERMSIG(probe->status));
		else
			printf("%s: exit status %d, and no answer\n", path,
			       WEXITSTATUS(probe->status));
		printf("%s", probe->complaint);
		if (program_has_arenite(path))
			tell_refusal(probe->complaint);
		return false;
	}
	tell_interpreter(path, probe);
	if (is_built_in(probe))
		return tell_built_in(probe);
	if (*probe->mem)
		tell_domains(probe);
	else
		printf("  served   nothing: %s\n%s", explain(probe), probe->complaint);
	return is_served(probe->mem) && is_served(probe->object);
}

/*
 * Tell which of the variables are set.  true: one of them defeats Arenite.  None does in an
 * interpreter that was built on it.
 */
static bool tell_environment(bool built_in)
{
	static char others[65536];
	bool defeated = false;

	for (size_t i = 0; i < VARIABLES; i++)
		if (is_set(variables[i].name) && !(built_in && variables[i].defeats)) {
			printf("%s=%s\n  %s\n", variables[i].name, getenv(variables[i].name),
			       variables[i].meaning);
			defeated |= variables[i].defeats;
		}
	if (preload_others(others, sizeof(others)) && *others)
		printf("LD_PRELOAD=%s\n  stays; a malloc in it serves raw and extensions\n",
		       others);
	surroundings_tell_preload();
	surroundings_tell_limits();
	return defeated;
}

static void tell_options(void)
{
	puts("\nOptions in force:");
	fflush(stdout);
	option_print_table(STDOUT_FILENO);
}

/* Run the trial once and tell what it has found.  true: both domains are served. */
static bool ask(const char *path)
{
	struct probe probe;

	if (probe_run(&probe, path))
		return tell(path, &probe);
	cli_error("cannot run %s: %s", path, strerror(errno));
	return false;
}

/*
 * The same without the variables that defeat Arenite, so that the user sees what would be served.
 */
static void ask_without(const char *path)
{
	for (size_t i = 0; i < VARIABLES; i++)
		if (variables[i].defeats)
			unsetenv(variables[i].name);
	puts("\nWithout what defeats it:");
	ask(path);
}

/* Set LD_PRELOAD for this interpreter.  false: a line on stderr has said why not. */
static bool set_preload(bool built_in, bool malloc_too)
{
	static struct preload_list list;

	if (malloc_too && !preload_find(&list, PRELOAD_MALLOC))
		return false;
	if (!preload_find(&list, PRELOAD_PYTHON))
		return false;
	printf("arenite %s: %s\n", arn_version(), list.path[PRELOAD_PYTHON]);
	if (built_in)
		*list.path[PRELOAD_PYTHON] = '\0';
	if (preload_set(&list))
		return true;
	cli_error("cannot set LD_PRELOAD: no memory");
	return false;
}

/*
 * The whole examination.  stdout is flushed before other processes and option_print_table write, so
 * that the parts come in their order.  The exit status is 0 only if both domains are served in the
 * environment as it is.
 */
static int examine(const char *name, bool malloc_too)
{
	char path[PATH_MAX];
	bool served, defeated, built_in;

	if (!find_interpreter(path, name))
		return CLI_FAILED;
	built_in = program_has_arenite(path);
	if (!set_preload(built_in, malloc_too))
		return CLI_FAILED;
	defeated = tell_environment(built_in);
	puts("");
	fflush(stdout);
	served = ask(path);
	if (!served && defeated)
		ask_without(path);
	tell_options();
	return cli_flushed() == CLI_OK && served ? CLI_OK : CLI_FAILED;
}

int doctor_main(int argc, char **argv)
{
	struct args args;
	bool malloc_too = false;

	args_begin(&args, argc, argv);
	while (args_next(&args))
		malloc_too = true;
	if (!args_end(&args, 0, 1))
		return args.status;
	return examine(args.operands ? args.operand[0] : "python3", malloc_too);
}
