/* SPDX-License-Identifier: MIT
 *
 * python-selftest - objects are served only in an interpreter that behaves as expected.  The
 * interpreter is an imitation, which can be made to differ in one point at a time.
 */
#include "support/core.h"

#include "api/process.h"
#include "support/python-state.h"

#include "python/cpython.h"
#include "python/notice.h"
#include "python/selftest.h"

#include <sys/mman.h>
#include <sys/wait.h>

struct cpython cpython;

static const struct places *const places = &places_seen[0];
static char state[16 * KIB], interp;
static struct qsbr_thread thread;
static struct shared shared;

/* How the imitation differs from what is expected. */
static struct {
	size_t more;         /* asked for around each block, as by debug hooks */
	unsigned float_heap; /* heaps of the two types */
	unsigned list_heap;
	bool no_memory, silent, full;
} is;

static char float_type, list_type;
static int (*pending)(void *);
static unsigned errors_cleared, blocks_live;

static void *get_state(void)
{
	return state;
}

static void *get_interp(void)
{
	return &interp;
}

static void ask_for(unsigned heap)
{
	set_current_heap(state, places, heap);
}

/*
 * A request as the hook makes it, except that both what is served and what is not come from libc.
 */
static void *request(size_t size)
{
	if (!is.silent)
		selftest_is_served(state, size + is.more);
	blocks_live += !is.no_memory;
	return is.no_memory ? NULL : malloc(size);
}

static void release(void *block)
{
	blocks_live--;
	free(block);
}

static void *make_object(void *type, ptrdiff_t items)
{
	void *object;

	ask_for(type == &list_type ? is.list_heap : is.float_heap);
	object = request(40 + (size_t)items);
	ask_for(ARN_TAG_OBJECT);
	return object;
}

static void clear_error(void)
{
	errors_cleared++;
}

static int take_call(int (*call)(void *), void *unused)
{
	(void)unused;
	if (is.full)
		return -1;
	pending = call;
	return 0;
}

static void start(void)
{
	is.more = 0;
	is.float_heap = ARN_TAG_OBJECT;
	is.list_heap = ARN_TAG_GC;
	is.no_memory = is.silent = is.full = false;
	pending = NULL;
	make_shared(&shared, places, &thread, 1);
	make_state(state, places, &interp, &shared, &thread);
	layout = (struct layout){ 0 };
	selftest_begin();
}

/* The first request leaves the call with the interpreter, which makes it later. */
static bool is_served(void)
{
	bool before = selftest_is_served(state, 100);

	if (before || !pending || selftest_state() != SELFTEST_ASKED)
		return before;
	if (pending(NULL) != 0)
		bail("the pending call fails");
	return selftest_is_served(state, 100);
}

static bool refuses(const char *part)
{
	return !is_served() && selftest_state() == SELFTEST_LEFT &&
	       strstr(selftest_reason(), part) && blocks_live == 0;
}

static void test_differences(void)
{
	start();
	is.list_heap = ARN_TAG_OBJECT;
	ok(refuses("with the collector"),
	   "an object with the collector on the heap of those without");
	start();
	is.float_heap = ARN_TAG_GC;
	ok(refuses("without the collector"), "and the other way round");
	start();
	is.more = 32;
	ok(refuses("debug hooks"), "more memory than an object needs");
	start();
	is.silent = true;
	ok(refuses("not asked for"), "requests that do not come to the hook");
	start();
	is.no_memory = true;
	ok(refuses("not asked for"), "no memory");
	start();
	thread.thread_state = NULL;
	ok(refuses("thread state"), "a thread state with another layout");
	start();
	put_word(state, LAYOUT_INTERP, state);
	ok(refuses("its interpreter"), "and one of which the hooks would not know the interpreter");
}

static void test_states(void)
{
	start();
	ok(is_served() && selftest_state() == SELFTEST_SERVED && !selftest_reason() &&
	           blocks_live == 0,
	   "all is as expected");
	start();
	is.full = true;
	ok(!is_served() && selftest_state() == SELFTEST_UNTRIED, "no room for the call: not yet");
	is.full = false;
	ok(is_served(), "but at the next request");
	selftest_refuse("a reason", false);
	ok(!is_served() && strcmp(selftest_reason(), "a reason") == 0, "refused from outside");
	selftest_skip();
	ok(is_served() && !selftest_reason(), "served without a self-test");
}

static int said; /* where stderr goes */

static bool is_said(const char *part)
{
	static char text[1024];
	ssize_t length = pread(said, text, sizeof(text) - 1, 0);

	if (ftruncate(said, 0) != 0 || lseek(said, 0, SEEK_SET) != 0)
		bail("no file for stderr");
	text[length < 0 ? 0 : length] = '\0';
	return part ? strstr(text, part) != NULL : length == 0;
}

static bool is_quiet_in_child(void)
{
	int status;
	pid_t pid;

	tap_flush();
	pid = fork();
	if (pid == 0) {
		process_has_python();
		selftest_refuse("a reason", true);
		_exit(is_said(NULL) ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void test_notice(void)
{
	is_said("");
	selftest_refuse("a reason", true);
	ok(is_said("objects stay with CPython: a reason; "), "a surprise is told");
	selftest_refuse("a reason", false);
	ok(is_said(NULL), "what the user has done himself is not");
	process_has_python();
	selftest_refuse("a reason", true);
	ok(is_said("ARENITE_DOMAINS=mem"), "the first process tells it, and what to do");
	ok(is_quiet_in_child(), "its children do not");
}

int main(void)
{
	cpython = (struct cpython){
		.thread_state = get_state,
		.interpreter = get_interp,
		.add_pending_call = take_call,
		.object_malloc = request,
		.object_free = release,
		.generic_alloc = make_object,
		.decref = release,
		.clear_error = clear_error,
		.list_type = &list_type,
		.float_type = &float_type,
		.version = "3.13.15",
	};
	said = memfd_create("stderr", 0);
	if (said < 0 || dup2(said, STDERR_FILENO) < 0)
		bail("no file for stderr");
	test_differences();
	test_states();
	test_notice();
	return done();
}
