/* SPDX-License-Identifier: MIT
 *
 * trace.h - what is known of the moment at which a program fails: who has called, in C and in
 * Python, and who has made and freed a block.  The lines go to stderr; those for C have the module
 * and the offset in it, for addr2line(1).
 *
 * Nothing is allocated, so that it works in the middle of malloc and in a handler of a signal.  The
 * unwinder is linked into the library, since the first use of the C library's would load it.  What
 * is written is bounded, and damaged memory does not end it.
 *
 * Owner       any thread, at any time.
 */
#ifndef ARN_TRACE_H
#define ARN_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <unwind.h>

/* Look for a way to find modules without the lock of the dynamic linker, which glibc has from 2.35
 * on. Called once, while there is one thread. */
void trace_init(void);
/* A program or a library that is loaded. */
struct trace_module {
	uintptr_t base;       /* what is added to the addresses in its file */
	uintptr_t start, end; /* what is mapped of it lies between them */
	const char *name;     /* "": the program */
};
/* Find the module at this address, without a lock.  false: there is none, or no way was found. */
bool trace_find_module(uintptr_t address, struct trace_module *module);
/* Visit the frames of the calling thread, this one first.  Without the tables that say how, no
 * frame is visited. */
void trace_unwind(_Unwind_Trace_Fn visit, void *arg);
/* Write a line for each caller of the calling function, the nearest first. */
void trace_write(void);
/* Write such a line for one instruction. */
void trace_write_address(uintptr_t address);
/* Write the Python stack of the calling thread: file, line and function of each call, the innermost
 * first.  At level 2 of option CHECKS those of all other threads follow.  Without a CPython that is
 * known nothing is written. */
void trace_write_python(void);
/* Write where the block with this address in it was made, and where it was freed, with the Python
 * stacks, if it is a sample of the profile, or was the last one to be there.  Else nothing is
 * written. */
void trace_write_block(const void *block);

/* The two above are in a higher layer.  Called once, while there is one thread, with what they
 * call; until then they write nothing. */
void trace_set_source(void (*python)(void), void (*block)(const void *block));

/* In a handler of a signal: how many times was the calling thread interrupted?  More than once if
 * the signal has come in another handler. */
unsigned trace_interruptions(void);
/* In a handler of a signal: write a line for the instruction that was interrupted, and for each
 * caller of its function. */
void trace_write_interrupted(void);

#endif
