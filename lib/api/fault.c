/* SPDX-License-Identifier: MIT */
#include "api/fault.h"

#include "api/misuse.h"
#include "base/text.h"
#include "base/trace.h"

#include <errno.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

/* What was there before, for each of the two signals. */
static struct sigaction before_segv, before_bus;

static struct sigaction *before(int signal)
{
	return signal == SIGSEGV ? &before_segv : &before_bus;
}

/* ---- what kind of access it was -------------------------------------------------------------- */

static enum misuse_access access_of(const ucontext_t *context)
{
#ifdef ARCH_FAULT_WRITES
	return ARCH_FAULT_WRITES(context) ? MISUSE_WRITE : MISUSE_READ;
#else
	(void)context;
	return MISUSE_ACCESS;
#endif
}

/* ---- the signal goes on ---------------------------------------------------------------------- */

/* Did the kernel send it, because of what an instruction has done? */
static bool is_fault(const siginfo_t *info)
{
	return info->si_code > 0;
}

/* The default: the process dies.  A fault comes again, because the instruction is tried again; any
 * other signal is raised, and is delivered when the handler returns. */
static void die(int signal, const siginfo_t *info)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	sigaction(signal, &action, NULL);
	if (!is_fault(info))
		raise(signal);
}

/* A fault cannot be ignored: the kernel ends the process then. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	struct sigaction *action = before(signal);

	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(signal, info, context);
	else if (action->sa_handler == SIG_DFL || (action->sa_handler == SIG_IGN && is_fault(info)))
		die(signal, info);
	else if (action->sa_handler != SIG_IGN)
		action->sa_handler(signal);
}

/* ---- a signal that was raised anew ----------------------------------------------------------- */

/* Was the signal raised by the thread itself, in a handler of a fault?  Then the access will fault
 * again when that handler has returned, and this time there is an address.  This is done once: a
 * program that raises the signal for another reason dies by the next one. */
static bool comes_again(const siginfo_t *info)
{
	static _Atomic bool x_awaited;

	return info->si_code == SI_TKILL && info->si_pid == getpid() &&
	       trace_interruptions() >= 2 && !exchange_acquire(&x_awaited, true);
}

/* ---- the handler ----------------------------------------------------------------------------- */

/* A program that goes on after a fault may have many: not all of them are reported. */
#define REPORTS 16u

static void report(const siginfo_t *info, const ucontext_t *context)
{
	static _Atomic unsigned x_reports;
	struct cell_view view;

	if (!is_fault(info) || !cell_look(info->si_addr, &view) ||
	    add_relaxed(&x_reports, 1) >= REPORTS)
		return;
	misuse_at_access(&view, info->si_addr, access_of(context));
	misuse_write_here();
	trace_write_interrupted();
	trace_write_python();
}

static void handle(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	if (comes_again(info))
		return;
	report(info, context);
	errno = saved;
	pass_on(signal, info, context);
}

void fault_init(void)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &before_segv);
	sigaction(SIGBUS, &action, &before_bus);
}
