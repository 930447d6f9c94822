/* SPDX-License-Identifier: MIT
 *
 * os.h - memory from the operating system.  No policy.  Preconditions of all: addresses and sizes
 * are multiples of the page size.  Functions that return int give 0 for success, else an error
 * number.  All of them leave errno alone: free() does, and so does malloc() that succeeds.
 *
 * Any of these may fail at any time (ulimit, overcommit, vm.max_map_count, seccomp).
 */
#ifndef ARN_OS_H
#define ARN_OS_H

#include "base/base.h"

#include <limits.h>
#include <pthread.h>

/* Zeroed, readable and writable, at a multiple of alignment (a power of two); NULL: none to be
 * had. */
void *os_map_aligned(size_t size, size_t alignment);
int os_unmap(void *address, size_t size);
/* Give the physical pages back; the range reads as zeros afterwards.  EINVAL, and nothing is done,
 * for a range that is not made of whole pages. */
int os_purge(void *address, size_t size);
/* The pages of one range become those of another, of another size perhaps, in the place of what was
 * there; the first range is no memory of ours any more.  On failure the second may be none, and the
 * first is as it was. */
int os_move(void *from, size_t size, void *to, size_t room);
/* Which pages are in memory: bit 0 of a byte for each page.  Before Linux 6.7 those that were read
 * and never written to are among them. */
int os_resident(const void *address, size_t size, unsigned char *pages);
/* A full memory barrier in every thread of the process. */
int os_barrier(void);
/* A clock that never goes back, a few ms coarse; it wraps. */
unsigned os_milliseconds(void);
/* The milliseconds from then to now.  Another thread may have read the clock after the caller did,
 * so that its time is a little later than now; the age is 0 in that case, and not the whole range
 * of the clock. */
static inline unsigned os_age(unsigned now, unsigned then)
{
	unsigned age = now - then;

	return age <= UINT_MAX - UINT_MAX / 4 ? age : 0;
}
/* Is address space limited, or has there been none to be had? */
bool os_is_limited(void);
/* The most address space that the process may have (ulimit -v); SIZE_MAX: not limited. */
size_t os_space_limit(void);
enum os_huge { OS_HUGE_NEVER, OS_HUGE_ALWAYS, OS_HUGE_SYSTEM };
/* Whoever touches it ends with SIGSEGV.  Where the system refuses, it stays memory that nobody
 * uses. */
void os_guard(void *address, size_t size);
void os_advise_huge(void *address, size_t size, enum os_huge huge);
/* Label the mapping in /proc/self/maps, where the kernel can. */
void os_label(void *address, size_t size, const char *name);
/* A power of two from PAGE_MIN to PAGE_MAX (arch.h); what the kernel says, asked once. */
size_t os_page_size(void);
/* Have the key's destructor called with this value when the calling thread ends; false: no memory,
 * or no such key. */
bool os_at_thread_end(pthread_key_t key, void *value);

/* Tests make the n-th call of each kind fail, and with os_fail_on all that follow: see t/unit/os.c.
 * Zero: none.  os_ahead: the clock is ahead by so many ms. */
#ifdef ARN_FAULT_INJECTION
extern _Atomic unsigned os_fail_map, os_fail_unmap, os_fail_purge, os_fail_move, os_fail_barrier;
extern _Atomic bool os_fail_on;
extern _Atomic unsigned os_ahead;
#endif

#endif
