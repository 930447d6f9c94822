/* SPDX-License-Identifier: MIT
 *
 * os.h - memory from the operating system, without any policy.
 *
 * Addresses and sizes are in bytes and multiples of the page size, unless a function says
 * otherwise.  Functions that return int return 0 for success, or else an error number.  All of them
 * leave errno alone, because free() does, and so does malloc() that succeeds.
 *
 * Any of these may be called by any thread, and may fail at any time (ulimit, overcommit,
 * vm.max_map_count, seccomp).
 */
#ifndef ARN_OS_H
#define ARN_OS_H

#include "base/base.h"

#include <limits.h>
#include <pthread.h>
#include <sys/uio.h>

/* Map `size` bytes, zeroed, readable and writable, at a multiple of alignment (a power of two).
 * NULL: there is no address space. */
void *os_map_aligned(size_t size, size_t alignment);
/* Unmap a range, which may be a part of a mapping. */
int os_unmap(void *address, size_t size);
/* Give the physical pages back; the range reads as zeros afterwards.  EINVAL, and nothing is done,
 * for a range that is not made of whole pages. */
int os_purge(void *address, size_t size);
/* The same for n ranges, in as few system calls as the kernel allows.  Returns the bytes that went
 * back; a range that the system has refused has the length 0 afterwards. */
size_t os_purge_ranges(struct iovec *ranges, unsigned n);
/* Has it been one call so far, however many ranges there were? */
bool os_joins_ranges(void);
/* Does the system take pages?  false: it has refused some within the last second, so that it is not
 * worth while to ask again. */
bool os_takes_pages(void);
/* Move the pages of one range, of `size` bytes, to another of `room` bytes, in the place of what
 * was mapped there.  The first range is not mapped any more.  On failure the second may not be
 * mapped, and the first is as it was. */
int os_move(void *from, size_t size, void *to, size_t room);
/* Which pages are in memory: bit 0 of pages[] for each page.  Before Linux 6.7 those that were read
 * and never written to are among them. */
int os_resident(const void *address, size_t size, unsigned char *pages);
/* What the process has in memory, in bytes: all of it, the part that is of no file, the part that
 * is of files and shared memory, and the most that all of it ever was. */
struct os_memory {
	size_t resident, anonymous, files, peak;
};
/* false: the system does not tell. */
bool os_memory(struct os_memory *memory);
/* That last one alone, which takes one short call; it may be that of the program which has started
 * this one, if that was larger.  0: the system does not tell. */
size_t os_peak_resident(void);
/* Memory that other processes find as a file in memory of this name, in /proc/PID/fd. */
struct os_shared {
	void *address;
	size_t size;
	int fd;
	uint64_t inode;
};
/* Map `size` bytes of it: the first n are copied from there, and the others are zero.  Written to
 * the file, the copied pages come without a fault for each of them.  false: the system refuses. */
bool os_share(struct os_shared *shared, const char *name, size_t size, const void *from, size_t n);
/* Unmap it, and close its descriptor, unless the program has done that. */
void os_unshare(struct os_shared *shared);
/* Copy bytes from an address that may be anything.  false: it is not readable, or the system
 * refuses the call. */
bool os_read(void *to, const void *from, size_t size);
/* Make a full memory barrier in every thread of the process. */
int os_barrier(void);
/* Store the address of a function of this library, as of dlsym, at `at`, a pointer to a pointer to
 * a function.  false: it has none of this name, and NULL is stored. */
bool os_find_function(void *library, const char *name, void *at);
/* How many processors the process might use when this was called first; at least 1. */
unsigned os_processors(void);
/* The number by which the kernel knows the calling thread.  In a handler of a signal, too. */
uint32_t os_thread_number(void);
/* In the child of a fork: its thread has another number. */
void os_fork_child(void);
/* A clock in milliseconds that never goes back; it is a few ms coarse, and wraps. */
unsigned os_milliseconds(void);
/* The processor time that all threads of the process have taken, in milliseconds; it wraps. */
unsigned os_processor_milliseconds(void);
/* The milliseconds from then to now.  Another thread may have read the clock after the caller did,
 * so that its time is a little later than now; the age is 0 in that case, and not the whole range
 * of the clock. */
static inline unsigned os_age(unsigned now, unsigned then)
{
	unsigned age = now - then;

	return age <= UINT_MAX - UINT_MAX / 4 ? age : 0;
}
/* Is address space limited, or has the system once refused to map memory? */
bool os_is_limited(void);
/* The most address space, in bytes, that the process may have (ulimit -v).  SIZE_MAX: it is not
 * limited. */
size_t os_space_limit(void);
enum os_huge { OS_HUGE_NEVER, OS_HUGE_ALWAYS, OS_HUGE_SYSTEM };
/* Make a range inaccessible: a thread that touches it ends the process with SIGSEGV.  If the system
 * refuses, it stays memory that no one uses. */
void os_guard(void *address, size_t size);
/* Make a range accessible to reads and writes, or to nothing.  On failure a part of it may have
 * changed. */
int os_protect(void *address, size_t size, bool accessible);
/* Tell the system whether transparent huge pages are wanted in this range. */
void os_advise_huge(void *address, size_t size, enum os_huge huge);
/* Label the mapping in /proc/self/maps, where the kernel can. */
void os_label(void *address, size_t size, const char *name);
/* A power of two from PAGE_MIN to PAGE_MAX (arch.h); what the kernel says, asked once. */
size_t os_page_size(void);
/* Have the key's destructor called with this value when the calling thread ends.  false: there is
 * no memory, or no such key. */
bool os_at_thread_end(pthread_key_t key, void *value);

/* Tests make the n-th call of each kind fail, and with os_fail_on all that follow: see t/unit/os.c.
 * 0: no call fails.  os_ahead: the clock is ahead by this many ms. */
#ifdef ARN_FAULT_INJECTION
extern _Atomic unsigned os_fail_map, os_fail_unmap, os_fail_purge, os_fail_move, os_fail_barrier;
extern _Atomic unsigned os_fail_protect;
extern _Atomic bool os_fail_on;
extern _Atomic unsigned os_ahead;
#endif

#endif
