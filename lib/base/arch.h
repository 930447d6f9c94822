/* SPDX-License-Identifier: MIT
 *
 * arch.h - all that differs between architectures, and what a port has to provide.
 *
 * To port Arenite is to write a branch of this file.  Two more places know machine code, and both
 * may be left alone: lib/python/tls.c reads that of CPython, and t/source/fastpath.sh that of the
 * library.  t/source/style.sh sees to it that there are no others.
 *
 * What has to be there on every architecture:
 *
 *     64 bits     Pointers, size_t and the words of all bitmaps.  Otherwise nothing compiles.
 *     atomics     The operations of atomic.h on 1, 4 and 8 bytes, without a lock and without a
 *                 library function.  All pairs of doc/memory-order.md are stated in C11's terms, so
 *                 a weakly ordered machine needs no branch.
 *     membarrier  Linux's system call, by which os_barrier makes a barrier in all threads.  The
 *                 library finds out when it starts whether the system lacks it: then each section
 *                 of a reader (reclaim-own.c) begins with an atomic exchange of its own.
 *     fork        A page that a fork has taken keeps what its thread had written up to one point of
 *                 the program (order_for_fork in atomic.h).  It is so where the kernel waits, after
 *                 it has write-protected the pages and flushed the translations, until the stores
 *                 that went through the old ones are done: on x86-64 and on aarch64.
 *
 * There is no instruction to pause with: nothing in the library spins.
 *
 * The public headers and those of the graft include no file of lib/, and have no machine code of
 * their own either.  They know the thread pointer as a number that CPython puts into ob_tid itself,
 * and the layout numbers in arenite.h follow from CACHE_LINE, with static assertions.
 */
#ifndef ARN_ARCH_H
#define ARN_ARCH_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

static_assert(UINTPTR_MAX == UINT64_MAX && SIZE_MAX == UINT64_MAX, "a 64-bit machine");

/*
 * The bits of an address that user space is given by mmap without a hint.
 *
 * Used by     registry.h, which has a byte for each 32 MiB of them (4 or 8 MiB of address space, of
 *             which only the pages in use are resident); stack.h, which counts generations in the
 *             bits above; supply.c, for requests that are larger than all of them.
 * Too many    costs address space, and generations of stack.h.
 * Too few     Arenas beyond are not used: malloc gives NULL where it got only such memory.  A node
 *             of a plain stack beyond them is lost, which must not be.  So when in doubt, more.
 * Larger      Processors with 52 or 57 bits hand those addresses out only to programs that ask for
 *             them by a hint; the library gives none.
 */
#if defined(__x86_64__)
#define ADDRESS_BITS 47
#else
#define ADDRESS_BITS 48
#endif

/*
 * The smallest and the largest page that a kernel of this architecture may be set up with.  The
 * page of the running system is what os_page_size() says, and everything that maps or gives back
 * goes by that; these two are for what must be known when the library is compiled.
 *
 * PAGE_MIN    Used for tables with an entry a page (resident.c), and for steps that must not leave
 *             a page out (python/layout.c).  If it is larger than the system's page, a table is too
 *             short, so it has to be true.
 * PAGE_MAX    At most a slice, which is checked in sizeclass.h: slices are what arenas give back.
 *             On a system with larger pages the kernel refuses to take back a single slice, so that
 *             memory stays resident; blocks are as good as ever.
 */
#define PAGE_MIN ((size_t)4096)
#define PAGE_MAX ((size_t)65536)

/*
 * What processors take from each other at once.  Words of different threads lie this far apart, and
 * pool descriptors have the size of two.  Where lines are longer, neighbours slow each other down,
 * and nothing else happens.  The layout numbers in arenite.h, and so the ABI, follow from it.
 * stack.h counts generations in the low bits of aligned addresses, too.
 */
#define CACHE_LINE 64

/*
 * The processor takes loads in their order, and stores in theirs, and a compare-and-swap of two
 * words reads both at once also when it fails.
 *
 * Used by     stack.h: only there does it take the stack of Concurrency Kit.  ck's push orders
 *             stores before its own step, and no loads, so on a machine that delays loads the
 *             thread that pops may write to a record that the other still reads.  And on aarch64 a
 *             pair that was read by ldxp is known to belong together only if stxp follows, which
 *             ck's pop does not wait for when the comparison fails.
 * A port      leaves it undefined, if in doubt: stack.h has a stack of one word in C11's terms.
 *             Its generation has 64 - ADDRESS_BITS + 6 bits, 22 for 48 bits of address, where ck's
 *             has 64.  A thread that is held up between two steps of a pop is fooled if exactly a
 *             multiple of 2^22 other operations on this stack happen meanwhile and the same node is
 *             on top.
 */
#if defined(__x86_64__)
#define ARCH_ORDERED 1
#endif

/*
 * What a compare-and-swap of two words demands of their address, where stack.h uses one: cmpxchg16b
 * faults at 8 modulo 16.
 */
#define WORD_PAIR 16

/*
 * The thread pointer: unique among live threads, never 0 or odd, and the very number that CPython
 * puts into ob_tid.
 *
 * Used by     arn_owner, whose word CPython's collector compares with ob_tid.
 * A port      takes the instruction of _Py_ThreadId in Include/object.h of CPython.  The compiler's
 *             __builtin_thread_pointer is the same one where gcc and clang have it.
 * If wrong    CPython takes objects of other threads for its own: never guess.
 */
static inline uintptr_t thread_id(void)
{
	uintptr_t id;
#if defined(__x86_64__)
	__asm__("movq %%fs:0, %0" : "=r"(id));
#elif defined(__aarch64__)
	__asm__("mrs %0, tpidr_el0" : "=r"(id));
#else
	id = (uintptr_t)__builtin_thread_pointer();
#endif
	return id;
}

/*
 * The calling thread's word at this distance from its thread pointer, read anew by each call.
 *
 * Used by     python/tls.h, for distances that tls_offset has found in CPython's machine code.
 *             Where tls.c does not know the code of an architecture there are none, this is not
 *             called, and each request for an object calls a function of CPython's instead.
 * A port      need not do better than the last branch, which compiles everywhere.
 */
static inline void *thread_word(ptrdiff_t offset)
{
	void *word;
#if defined(__x86_64__)
	__asm__ volatile("movq %%fs:(%1), %0" : "=r"(word) : "r"(offset) : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("mrs %0, tpidr_el0\n\tldr %0, [%0, %1]"
	                 : "=&r"(word)
	                 : "r"(offset)
	                 : "memory");
#else
	word = *(void **)(thread_id() + (uintptr_t)offset);
#endif
	return word;
}

/*
 * The registers from which a walk over the stack begins, and how the tables that exceptions use
 * number them.
 *
 * Used by     profile/unwind.c, which expects the return address in the word below the caller's
 *             stack pointer.
 * A port      may leave it undefined: then samples of a Python have no native frames.
 */
#if defined(__x86_64__)
#define UNWIND_STACK  7 /* rsp */
#define UNWIND_FRAME  6 /* rbp */
#define UNWIND_RETURN 16
#define unwind_here(pc, stack, frame)                                                 \
	__asm__ volatile("leaq 1f(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2\n1:" \
	                 : "=&r"(pc), "=&r"(stack), "=&r"(frame))
#endif

/*
 * Was the access that has faulted one that writes?  Of the ucontext_t that a handler of SIGSEGV
 * gets.
 *
 * Used by     api/fault.c, which says "reads" or "writes" by it.
 * A port      may leave it undefined: the report says "accesses" then.  On aarch64 the kernel adds
 *             a record of its own to the frame of the signal, which would have to be looked for.
 */
#if defined(__x86_64__)
#define ARCH_FAULT_WRITES(context) (((context)->uc_mcontext.gregs[REG_ERR] & 2) != 0)
#endif

#endif
