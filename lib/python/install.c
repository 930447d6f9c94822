/* SPDX-License-Identifier: MIT
 *
 * install.c - puts Arenite into the Python of this process: by itself when the library is loaded,
 * or when a Python is initialized that came later; or when the program says so.
 */
#include "python/reinit.h"
#include "python/cpython.h"
#include "python/hook.h"
#include "python/late.h"
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

/* Weak, because with another core the program is to run, though without us. */
extern __typeof__(arn_layout) arn_layout __attribute__((weak));

/* The fast paths are compiled in here, for the core of the same version and layout. */
static bool fits_core(void)
{
	const char *layout = &arn_layout;

	if (layout && strcmp(arn_version(), ARN_VERSION) == 0)
		return true;
	dprintf(STDERR_FILENO,
	        "arenite: libarenite-python %s does not fit libarenite %s: nothing is served\n",
	        ARN_VERSION, arn_version());
	return false;
}

/*
 * Why a domain is not to be had; NULL: it is.  What ARENITE_DOMAINS leaves out gets the system's
 * blocks from us, which we could not tell from CPython's.
 */
static const char *obstacle(enum domain domain)
{
	void *block = domain == DOMAIN_MEM ? arn_mem_malloc(1) : arn_obj_malloc(1);
	bool ours = arn_tag_of(block) != ARN_TAGS;

	arn_any_free(block);
	if (!block)
		return "there is no address space for a first arena";
	return ours ? NULL : "ARENITE_DOMAINS";
}

/* Twice in one process, as when the program has the library linked in and inherits it as a preload:
 * one is enough. */
static bool is_first(void)
{
	void *first = dlsym(RTLD_DEFAULT, "arn_python_install");
	enum arn_python_result (*ours)(void) = arn_python_install;

	return !first || memcmp(&first, &ours, sizeof(first)) == 0;
}

/* The last version whose lock-free readers were looked at: no self-test shows what they read. */
#define LAST_VERSION 0x0310

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

static void take(enum domain domain)
{
	const char *why = obstacle(domain);

	if (why) {
		served_left(domain, why);
		return;
	}
	hook_install(domain, reinit_begun);
	served_hooked(domain);
}

static bool is_in_place(void)
{
	return hook_place(DOMAIN_MEM) != HOOK_GONE || hook_place(DOMAIN_OBJECT) != HOOK_GONE;
}

static void put_in_again(void);

static void put_in(void)
{
	take(DOMAIN_MEM);
	begin_objects();
	take(DOMAIN_OBJECT);
	reinit_expect(put_in_again);
}

/* One that was loaded late must not be unloaded: we keep addresses of it, and it has ours. */
static void keep_python(void)
{
	void *symbol;

	memcpy(&symbol, &cpython.set_allocator, sizeof(symbol));
	late_keep(symbol);
}

/* By a new runtime, unless the program has been faster. */
static void put_in_again(void)
{
	if (!is_in_place())
		put_in();
}

/* Is there one that we may be put into?  ARN_PYTHON_OK: yes. */
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

static enum arn_python_result install_first(void *library)
{
	enum arn_python_result result = look(library);

	if (result != ARN_PYTHON_OK)
		return result;
	binding_init();
	served_init();
	process_has_python(); /* a late Python sets variables of its own at this time, too */
	installed = true;
	put_in();
	return ARN_PYTHON_OK;
}

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
	if (process_is_disabled())
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

static bool install_late(void *library)
{
	enum arn_python_result result = install(library);

	if (result == ARN_PYTHON_OK)
		keep_python();
	return result != ARN_PYTHON_ABSENT;
}

__attribute__((constructor)) static void start(void)
{
	/* what is here by now is not unloaded */
	if (install(RTLD_DEFAULT) == ARN_PYTHON_ABSENT)
		late_watch(install_late);
}
