/* SPDX-License-Identifier: MIT
 *
 * fault.h - option GUARD: the handler of SIGSEGV and SIGBUS, which says what an access to a cell
 * was (misuse.h), and goes on to the handler that was there before.
 *
 * Chain       The handler is set once, at the start of the process.  For each signal, whether it is
 *             about a cell or not, it does what would have been done without it: it calls the
 *             handler that was there before, or lets the process die by the signal, at the same
 *             instruction, so that a core file shows that.
 * Later ones  A handler that the program sets later comes first.  If it goes on to the one that it
 *             has replaced, with the same siginfo, the report comes.  If it restores that one and
 *             raises the signal anew while it runs itself (SA_NODEFER), as Python's faulthandler
 *             does, the report comes, too: such a signal has no address, so our handler returns
 *             once, and the access is made again.  Any other handler gets its signal, and there is
 *             no report.
 * Progress    async-signal-safe: nothing is allocated and no lock is taken, with the exception that
 *             frames.h has for old C libraries.
 */
#ifndef ARN_FAULT_H
#define ARN_FAULT_H

/* Set the handler.  Once, while there is one thread. */
void fault_init(void);

#endif
