/* SPDX-License-Identifier: MIT
 *
 * served.c - puts together what the installation has noted (served_left, served_hooked), where the
 * hooks are now (hook_place), and how the self-test ended.
 */
#include "python/served.h"

#include "python/hook.h"
#include "python/selftest.h"

#include "base/base.h"

#include <arenite/arenite.h>
#include <arenite/python.h>

#include <stdio.h>

static struct {
	bool hooked;
	const char *why;
} domains[DOMAINS];

static const char removed[] =
	"CPython took the hook out: PYTHONMALLOC, -X dev, or a second Py_Initialize";

void served_left(enum domain domain, const char *why)
{
	domains[domain].hooked = false;
	domains[domain].why = why;
}

void served_hooked(enum domain domain)
{
	domains[domain].hooked = true;
	domains[domain].why = NULL;
}

/*
 * The state of a domain whose hooks were put in.  Whether they are still there is asked of CPython
 * each time, because it takes them out without a word.
 */
static enum arn_python_domain hooked_state(enum domain domain)
{
	enum hook_place place = hook_place(domain);

	if (place == HOOK_GONE)
		return ARN_PYTHON_REMOVED;
	if (domain == DOMAIN_OBJECT && selftest_state() == SELFTEST_LEFT)
		return ARN_PYTHON_LEFT;
	if (domain == DOMAIN_OBJECT && selftest_state() != SELFTEST_SERVED)
		return ARN_PYTHON_WAITING;
	return place == HOOK_IN_PLACE ? ARN_PYTHON_SERVED : ARN_PYTHON_COVERED;
}

static enum arn_python_domain state_of(enum domain domain)
{
	return domains[domain].hooked ? hooked_state(domain) : ARN_PYTHON_LEFT;
}

/* Why the domain is not served; NULL: it is, or there is nothing to say. */
static const char *reason_of(enum domain domain, enum arn_python_domain state)
{
	if (state == ARN_PYTHON_REMOVED)
		return removed;
	if (domains[domain].hooked && domain == DOMAIN_OBJECT)
		return selftest_reason();
	return domains[domain].why;
}

void arn_python_state(struct arn_python_state *state, size_t size)
{
	struct arn_python_state now = { .version = cpython.version, .gil = cpython.gil };
	const char *mem, *object;

	now.mem = state_of(DOMAIN_MEM);
	now.object = state_of(DOMAIN_OBJECT);
	mem = reason_of(DOMAIN_MEM, now.mem);
	object = reason_of(DOMAIN_OBJECT, now.object);
	now.reason = object ? object : mem;
	fill_struct(state, size, &now, sizeof(now));
}

static const char *const names[] = {
	[ARN_PYTHON_LEFT] = "left",       [ARN_PYTHON_WAITING] = "waiting",
	[ARN_PYTHON_SERVED] = "served",   [ARN_PYTHON_COVERED] = "covered",
	[ARN_PYTHON_REMOVED] = "removed",
};

static void print(int fd)
{
	struct arn_python_state state;

	arn_python_state(&state, sizeof(state));
	dprintf(fd, "  Python %s%s: mem %s, object %s%s%s\n", state.version,
	        state.gil ? "" : " free-threaded", names[state.mem], names[state.object],
	        state.reason ? ": " : "", state.reason ? state.reason : "");
}

static void print_json(int fd)
{
	struct arn_python_state state;

	arn_python_state(&state, sizeof(state));
	dprintf(fd,
	        "{\"version\": \"%s\", \"gil\": %s, \"mem\": \"%s\", \"object\": \"%s\", "
	        "\"reason\": \"%s\"}",
	        state.version, state.gil ? "true" : "false", names[state.mem], names[state.object],
	        state.reason ? state.reason : "");
}

void served_init(void)
{
	static const struct arn_stats_part part = { "python", print, print_json };

	arn_stats_add(&part);
}
