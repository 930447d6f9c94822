/* SPDX-License-Identifier: MIT
 *
 * fault - option GUARD: what becomes of a signal after the report.  Each case is a process of its
 * own, which has a handler before ours or after it, and then makes a fault or raises the signal.
 */
#include "support/core.h"

#include "api/guarded.h"
#include "base/option.h"
#include "base/trace.h"

#include <arenite/arenite.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>

enum { CALLED = 42 };

static char *volatile freed;
static struct sigaction replaced;
static char report[8192];

static void set(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(SIGSEGV, &action, &replaced);
}

static void set_info(void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };

	sigaction(SIGSEGV, &action, &replaced);
}

/* ---- handlers -------------------------------------------------------------------------------- */

static void end_plain(int signal)
{
	_exit(signal == SIGSEGV ? CALLED : 1);
}

static void end_info(int signal, siginfo_t *info, void *context)
{
	_exit(signal == SIGSEGV && info->si_addr == freed && context ? CALLED : 1);
}

static void chain(int signal, siginfo_t *info, void *context)
{
	replaced.sa_sigaction(signal, info, context);
}

/* As Python's faulthandler does: it restores the handler that was there, and raises. */
static void raise_anew(int signal)
{
	sigaction(signal, &replaced, NULL);
	raise(signal);
}

/* As many programs do. */
static void die(int signal)
{
	set(SIG_DFL, 0);
	raise(signal);
}

static sigjmp_buf place;

static void jump(int signal)
{
	(void)signal;
	siglongjmp(place, 1);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void begin(void)
{
	option_values[OPTION_GUARD] = 1;
	guarded_init();
	freed = arn_mem_malloc(100);
	arn_mem_free(freed);
}

static int alone(void)
{
	begin();
	*freed = 1;
	return 0;
}

static int plain_before(void)
{
	set(end_plain, 0);
	return alone();
}

static int info_before(void)
{
	set_info(end_info, 0);
	return alone();
}

static int ignored_before(void)
{
	set(SIG_IGN, 0);
	return alone();
}

static int raised_and_ignored(void)
{
	set(SIG_IGN, 0);
	begin();
	raise(SIGSEGV);
	return CALLED;
}

static int raised(void)
{
	begin();
	raise(SIGSEGV);
	return 0;
}

static int raised_before(void)
{
	set(end_plain, 0);
	return raised();
}

static int chained_after(void)
{
	begin();
	set_info(chain, 0);
	*freed = 1;
	return 0;
}

static int raised_after(void)
{
	begin();
	set(raise_anew, SA_NODEFER);
	*freed = 1;
	return 0;
}

static int deferred_after(void)
{
	begin();
	set(raise_anew, 0);
	*freed = 1;
	return 0;
}

static int replaced_after(void)
{
	begin();
	set(die, SA_NODEFER);
	*freed = 1;
	return 0;
}

static int another_fault(void)
{
	char *volatile nowhere = (char *)16;

	begin();
	*nowhere = 1;
	return 0;
}

/* A program that goes on after a fault sees each of them, and not all are reported. */
static int goes_on(void)
{
	static volatile unsigned n;

	set(jump, SA_NODEFER);
	begin();
	if (sigsetjmp(place, 1))
		n++;
	if (n < 100)
		*freed = 1;
	return n == 100 ? CALLED : 1;
}

/* ---- what they say --------------------------------------------------------------------------- */

/* Run it in a child, with stderr in report.  Returns the status. */
static int status_with_report(int (*run)(void))
{
	int ends[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t child;

	tap_flush();
	if (pipe(ends))
		bail("pipe");
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[1]);
		_exit(run());
	}
	close(ends[1]);
	while ((got = read(ends[0], report + n, sizeof(report) - 1 - n)) > 0)
		n += (size_t)got;
	report[n] = '\0';
	close(ends[0]);
	waitpid(child, &status, 0);
	return status;
}

static bool is_said(void)
{
	return strstr(report, "arenite: use after free: thread ") != NULL;
}

static void dies(int (*run)(void), bool said, const char *what)
{
	int status = status_with_report(run);

	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV && is_said() == said,
	   "%s: dies by the signal, %s report", what, said ? "with a" : "without a");
}

static void ends(int (*run)(void), bool said, const char *what)
{
	int status = status_with_report(run);

	ok(WIFEXITED(status) && WEXITSTATUS(status) == CALLED && is_said() == said, "%s, %s report",
	   what, said ? "with a" : "without a");
}

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *arg)
{
	(void)context;
	++*(unsigned *)arg;
	return _URC_NO_REASON;
}

/* musl-gcc links without the tables of the unwinder, from which a handler of ours knows that it was
 * called in another one. */
static bool has_tables(void)
{
	unsigned frames = 0;

	trace_unwind(count_frame, &frames);
	return frames > 0;
}

int main(void)
{
	struct rlimit none = { 0, 0 };

#if defined(ARN_TSAN) || defined(ARN_ASAN)
	skip(1, "a sanitizer has a handler of its own");
	return done();
#endif
	setrlimit(RLIMIT_CORE, &none);
	dies(alone, true, "no other handler");
	ends(plain_before, true, "a handler that was there before is called");
	ends(info_before, true, "and with the siginfo");
	dies(ignored_before, true, "a fault that should be ignored");
	ends(raised_and_ignored, false, "a raised signal is ignored as before");
	dies(raised, false, "a raised signal");
	ends(raised_before, false, "a raised signal comes to the handler that was there before");
	dies(another_fault, false, "a fault elsewhere");
	dies(chained_after, true, "a later handler that goes on to ours");
	if (has_tables())
		dies(raised_after, true, "a later one that raises the signal anew");
	else
		skip(1, "the program has no tables for the unwinder");
	dies(deferred_after, false, "the same, where it comes when that one has returned");
	dies(replaced_after, false, "a later one that does neither");
	ends(goes_on, true, "a program that goes on after each fault does so");
	return done();
}
