/* SPDX-License-Identifier: MIT
 *
 * install.c - puts Arenite into the Python of this process.
 *
 * There are three ways to it.  When the library is loaded, its constructor looks for a Python and
 * puts Arenite in.  If there is none, a Python that is loaded later gets Arenite when it is
 * initialized (late.h).  And a program may call arn_python_install.  All three come to install(),
 * which does nothing where the hooks are in place already.
 *
 * Callers     one thread at a time, while no interpreter runs.
 */
#include "python/reinit.h"
#include "python/cpython.h"
#include "python/hook.h"
#include "python/late.h"
#include "api/collect.h"
#include "api/process.h"
#include "python/served.h"
#include "python/binding.h"
#include "python/selftest.h"

#include <arenite/arenite.h>
#include <arenite/python.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool installed;

/*
 * Weak, because with a libarenite of another layout, which does not have this name, the program is
 * to run too, though on CPython's allocator.
 */
extern __typeof__(arn_layout) arn_layout __attribute__((weak));

/*
 * Is the libarenite in this process of the same version and layout?  The fast paths are compiled
 * into this library and would misread the descriptors of another one, and no private function of
 * another one may be called.
 */
static bool has_core(void)
{
	const char *layout = &arn_layout;

	return layout && process_is_disabled && strcmp(arn_version(), ARN_VERSION) == 0;
}

/* The same; if not, one line says that nothing is served. */
static bool fits_core(void)
{
	if (has_core())
		return true;
	dprintf(STDERR_FILENO,
	        "arenite: libarenite-python %s does not fit libarenite %s: nothing is served\n",
	        ARN_VERSION, arn_version());
	return false;
}

/*
 * Why a domain cannot be served; NULL: it can.  A domain that ARENITE_DOMAINS leaves out would get
 * blocks of the system's malloc from Arenite, and a free could not tell these from CPython's own.
 * The trial allocation finds out whether there is address space for an arena at all.
 */
static const char *obstacle(enum domain domain)
{
	void *block;

	if (!process_serves(domain == DOMAIN_MEM ? ARN_TAG_MEM : ARN_TAG_OBJECT))
		return "ARENITE_DOMAINS";
	block = domain == DOMAIN_MEM ? arn_mem_malloc(1) : arn_obj_malloc(1);
	if (!block)
		return "there is no address space for a first arena";
	arn_free(block);
	return NULL;
}

/*
 * Is this the first of the libraries of this kind in the process?  There are two when a program has
 * the library linked in and also inherits it as a preload: one of them is enough.
 */
static bool is_first(void)
{
	void *first = dlsym(RTLD_DEFAULT, "arn_python_install");
	enum arn_python_result (*ours)(void) = arn_python_install;

	return !first || memcmp(&first, &ours, sizeof(first)) == 0;
}

/* The last version whose lock-free readers were looked at: no self-test shows what they read. */
#define LAST_VERSION 0x0310

/*
 * Decide what becomes of the object domain.  With the GIL it is served at once.  Without it,
 * objects are served after a self-test, unless the version is newer than any whose lock-free
 * readers were looked at: then they are left with CPython, and a line says so if they could have
 * been served otherwise.
 */
static void begin_objects(void)
{
	binding_drop();
	if (cpython.gil)
		selftest_skip();
	else if (cpython.number <= LAST_VERSION)
		selftest_begin();
	else
		selftest_refuse("a version that is not known", !obstacle(DOMAIN_OBJECT));
}

/* Put the hooks of one domain in, or note why not. */
static void take(enum domain domain)
{
	const char *why = obstacle(domain);

	if (why) {
		served_left(domain, why);
		return;
	}
	hook_install(domain, reinit_begun);
	served_hooked(domain);
	if (domain == DOMAIN_OBJECT && !cpython.gil)
		process_collector_is_apart();
}

static bool is_in_place(void)
{
	return hook_place(DOMAIN_MEM) != HOOK_GONE || hook_place(DOMAIN_OBJECT) != HOOK_GONE;
}

static void put_in_again(void);

/*
 * Put everything in, for the runtime that is about to start, and ask to be called again when
 * another one replaces it.  begin_objects comes before the hook of OBJECT, which must find the
 * state of the self-test decided.
 */
static void put_in(void)
{
	take(DOMAIN_MEM);
	begin_objects();
	take(DOMAIN_OBJECT);
	reinit_expect(put_in_again);
}

/*
 * A Python that was loaded late must not be unloaded: this library keeps addresses of it, and it
 * has addresses of the hooks.
 */
static void keep_python(void)
{
	void *symbol;

	memcpy(&symbol, &cpython.set_allocator, sizeof(symbol));
	late_keep(symbol);
}

/*
 * Called when a new runtime begins (reinit.h).  If the program has called arn_python_install
 * before, the hooks are in place and nothing is to be done.
 */
static void put_in_again(void)
{
	if (!is_in_place())
		put_in();
}

/*
 * Is there a Python into which Arenite may be put?  ARN_PYTHON_OK: yes.  Any other result says why
 * not, and nothing has been changed in the interpreter.
 */
static enum arn_python_result look(void *library)
{
	enum cpython_found found = cpython_find(library);

	if (found != CPYTHON_FOUND)
		return found == CPYTHON_ABSENT ? ARN_PYTHON_ABSENT : ARN_PYTHON_UNKNOWN;
	if (!fits_core())
		return ARN_PYTHON_MISMATCH;
	if (!is_first() || cpython_is_grafted())
		return ARN_PYTHON_BUILT_IN;
	return cpython.is_initialized() ? ARN_PYTHON_RUNNING : ARN_PYTHON_OK;
}

/*
 * The first installation in this process.  The records for bindings and statistics are prepared
 * before the hooks are put in, because the first request may come at any time after that.
 */
static enum arn_python_result install_first(void *library)
{
	enum arn_python_result result = look(library);

	if (result != ARN_PYTHON_OK)
		return result;
	binding_init();
	served_init();
	collect_find(library);
	/* this sets a variable of the environment, as a late Python does by itself at this time */
	process_has_python();
	installed = true;
	put_in();
	return ARN_PYTHON_OK;
}

/*
 * Every further call: the hooks are in place, or CPython has reset its allocators.  In the second
 * case they are put in again, unless an interpreter runs by now.
 */
static enum arn_python_result install_again(void)
{
	if (is_in_place())
		return ARN_PYTHON_OK;
	if (cpython.is_initialized())
		return ARN_PYTHON_RUNNING;
	put_in();
	return ARN_PYTHON_OK;
}

static enum arn_python_result install(void *library)
{
	if (has_core() && process_is_disabled())
		return ARN_PYTHON_DISABLED;
	return installed ? install_again() : install_first(library);
}

enum arn_python_result arn_python_install(void)
{
	enum arn_python_result result = install(RTLD_DEFAULT);

	if (result == ARN_PYTHON_OK)
		keep_python();
	return result;
}

/*
 * Called by late_look for a library that came later.  true: there is nothing more to look for,
 * because a Python was found, whatever the result.
 */
static bool install_late(void *library)
{
	enum arn_python_result result = install(library);

	if (result == ARN_PYTHON_OK)
		keep_python();
	return result != ARN_PYTHON_ABSENT;
}

__attribute__((constructor)) static void start(void)
{
	/* a Python that is here by now is not unloaded, so there is no need for keep_python */
	if (install(RTLD_DEFAULT) == ARN_PYTHON_ABSENT)
		late_watch(install_late);
}
