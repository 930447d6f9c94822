/* SPDX-License-Identifier: MIT
 *
 * usdt.h - places in the program at which perf, bpftrace and the like can look (USDT probes), where
 * sys/sdt.h was there at build time.  doc/profile.md says how they are used.
 *
 * A probe is one nop in the program, and a note in the file that says where it is and where its
 * arguments are.  All of them are in slow paths.  Without sys/sdt.h there is nothing.
 *
 * alloc and free are those of OpenTelemetry's provider otel_memory: they are behind the decision of
 * option PROFILE which blocks are samples (heap/sample.h), so that whoever listens does not hear of
 * each block.  `weighted` is the number of bytes for which the sample stands.
 *
 * Any thread may call these.
 */
#ifndef ARN_USDT_H
#define ARN_USDT_H

#include "base/base.h"

#ifdef HAVE_SYS_SDT_H
#include <sys/sdt.h>
#else
#define DTRACE_PROBE1(provider, name, a)       ((void)(a))
#define DTRACE_PROBE2(provider, name, a, b)    ((void)(a), (void)(b))
#define DTRACE_PROBE3(provider, name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

/* The macros of sys/sdt.h have a word of the assembler that is a macro of base.h. */
#pragma push_macro("hidden")
#undef hidden

static inline void usdt_alloc(const void *block, size_t size, size_t weighted)
{
	DTRACE_PROBE3(otel_memory, alloc, block, size, weighted);
}

static inline void usdt_free(const void *block)
{
	DTRACE_PROBE1(otel_memory, free, block);
}

static inline void usdt_arena_map(const void *base, size_t bytes)
{
	DTRACE_PROBE2(arenite, arena_map, base, bytes);
}

/* An arena, or the end of one. */
static inline void usdt_arena_unmap(const void *base, size_t bytes)
{
	DTRACE_PROBE2(arenite, arena_unmap, base, bytes);
}

/* Pages have gone back to the system. */
static inline void usdt_purge(size_t bytes)
{
	DTRACE_PROBE1(arenite, purge, bytes);
}

/* arn_trim has ended: what went back while it ran. */
static inline void usdt_trim(size_t returned, size_t unmapped)
{
	DTRACE_PROBE2(arenite, trim, returned, unmapped);
}

/* Option LIMIT has refused a request. */
static inline void usdt_limit_refused(size_t bytes)
{
	DTRACE_PROBE1(arenite, limit_refused, bytes);
}

#pragma pop_macro("hidden")

#endif
