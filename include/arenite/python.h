/* SPDX-License-Identifier: MIT
 *
 * python.h - Arenite in a CPython that was not built for it.
 *
 * A program that embeds Python links libarenite-python (pkg-config arenite-python) and calls
 * arn_python_install before Py_Initialize.  If libpython is linked too, the library has done it by
 * itself when it was loaded, as it does with LD_PRELOAD; the call then tells how that went.
 *
 * Served are the domain mem and, in builds with the GIL, the domain object.  In free-threaded
 * builds objects without the collector are served (3.13, 3.14, 3.15), from the moment when the
 * running interpreter has shown that it works as expected; the collector's own stay with CPython.
 * raw is not touched.
 *
 * CPython takes the hooks out when PYTHONMALLOC is set, in development mode, when
 * PyPreConfig.allocator is, and at a second Py_Initialize: see arn_python_install.
 */
#ifndef ARENITE_PYTHON_H
#define ARENITE_PYTHON_H

#include <arenite/arenite.h>

#ifdef __cplusplus
extern "C" {
#endif

enum arn_python_result {
	ARN_PYTHON_OK,       /* in place, now or since before */
	ARN_PYTHON_DISABLED, /* the environment has ARENITE_DISABLE=1 */
	ARN_PYTHON_BUILT_IN, /* this interpreter runs on Arenite without it */
	/* no Python is loaded, or only where dlopen has hidden it (RTLD_LOCAL); see below */
	ARN_PYTHON_ABSENT,
	ARN_PYTHON_UNKNOWN, /* not a CPython of 3.11 or later */
	ARN_PYTHON_RUNNING, /* too late: Python is initialized */
	/* the libarenite that was found is of another version than this library */
	ARN_PYTHON_MISMATCH
};

/*
 * Put Arenite in.  To be called by one thread, while no interpreter runs; harmless when it is done
 * already.  Python's memory that was allocated before is freed as before.
 *
 * Where it finds no Python, one that is loaded later (dlopen) gets Arenite when it is initialized,
 * without a call: by the shared library, which every initialization passes.  A libpython that has
 * Arenite is not unloaded by dlclose.
 */
ARN_API enum arn_python_result arn_python_install(void);

/* A domain at this moment */
enum arn_python_domain {
	ARN_PYTHON_LEFT,    /* with CPython */
	ARN_PYTHON_WAITING, /* with CPython until the interpreter has been tried */
	ARN_PYTHON_SERVED,  /* by Arenite */
	ARN_PYTHON_COVERED, /* by Arenite, below another hook: debug hooks, tracemalloc */
	ARN_PYTHON_REMOVED  /* the hook was in place and CPython, or another hook, took it out */
};

struct arn_python_state {
	const char *version; /* "3.13.15"; empty: none found */
	bool gil;
	enum arn_python_domain mem, object;
	const char *reason; /* why one of them is not served, or NULL */
};

/* size is sizeof *state, as for arn_stats_read.  From any thread.  Also the last line of the
 * statistics, and the member "python" of their JSON. */
ARN_API void arn_python_state(struct arn_python_state *state, size_t size);

#ifdef __cplusplus
}
#endif
#endif
