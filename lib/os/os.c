/* SPDX-License-Identifier: MIT */
#include "os/os.h"

#include "base/atomic.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA           0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

/* Later kernels have names for these. */
#define DONTNEED_LOCKED 24
#define SELF            -10000
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

bool os_find_function(void *library, const char *name, void *at)
{
	void *symbol = dlsym(library, name);

	/* ISO C has no conversion of an object's address to a function's. */
	memcpy(at, &symbol, sizeof(symbol));
	return symbol != NULL;
}

/* The system copies, so that a wrong address gives an error and no signal. */
bool os_read(void *to, const void *from, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)from, size };
	int saved = errno;
	long done;

	if (BUG(trust_addresses)) {
		memcpy(to, from, size);
		return true;
	}
	done = syscall(SYS_process_vm_readv, (long)getpid(), &local, 1ul, &remote, 1ul, 0ul);

	errno = saved;
	return done >= 0 && (size_t)done == size;
}

#ifdef ARN_FAULT_INJECTION
_Atomic unsigned os_fail_map, os_fail_unmap, os_fail_purge, os_fail_move, os_fail_barrier;
_Atomic unsigned os_fail_protect;

_Atomic bool os_fail_on;
_Atomic unsigned os_ahead;

/* Counts down to the call that is to fail, and stays there if all calls after it are to fail,
 * too. */
static bool fails(_Atomic unsigned *countdown)
{
	unsigned n = load_relaxed(countdown);

	while (n != 0 && !(n == 1 && load_relaxed(&os_fail_on)) &&
	       !cas_acquire(countdown, &n, n - 1))
		;
	if (n == 1)
		errno = ENOMEM; /* as the system does */
	return n == 1;
}
#define ahead()     load_relaxed(&os_ahead)
#define is_tested() (load_relaxed(&os_fail_purge) != 0)
#else
#define fails(countdown) false
#define ahead()          0u
#define is_tested()      false
#endif

static _Atomic bool x_refused; /* the system has once refused a mapping */

/* Maps anonymous memory without reserving swap space for it: arenas are mostly untouched address
 * space.  NULL: the system has refused, which is remembered for os_is_limited. */
static void *map_pages(size_t size)
{
	void *p = MAP_FAILED;

	if (!fails(&os_fail_map))
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p != MAP_FAILED)
		return p;
	store_relaxed(&x_refused, true);
	return NULL;
}

/* Maps memory at this very place, if it is free.  Linux places mappings from the top down, so the
 * space just below a misaligned result is usually free.  NULL: it is not. */
static void *map_at(void *address, size_t size)
{
	void *p = mmap(address, size, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != MAP_FAILED && p != address) { /* Linux before 4.17 ignores NOREPLACE */
		munmap(p, size);
		p = MAP_FAILED;
	}
	return p == MAP_FAILED ? NULL : p;
}

/* Maps too much, so that an aligned part is certainly in it, and cuts off both ends.  NULL: there
 * is not so much address space. */
static void *map_and_trim(size_t size, size_t alignment)
{
	char *p = map_pages(size + alignment);
	size_t head;

	if (!p)
		return NULL;
	head = align_up((uintptr_t)p, alignment) - (uintptr_t)p;
	if (head)
		munmap(p, head);
	if (head != alignment)
		munmap(p + head + size, alignment - head);
	return p + head;
}

/* Three ways, the cheapest first.  The system's own choice of a place may be aligned.  If not, the
 * aligned place just below it is tried, because that is usually free: so arenas lie one below the
 * other, and no address space is lost.  If another mapping is there, too much is mapped and
 * trimmed.  NULL: the system has refused; nothing stays mapped. */
void *os_map_aligned(size_t size, size_t alignment)
{
	int saved = errno;
	void *p;

	if (size > PTRDIFF_MAX - alignment)
		return NULL;
	p = map_pages(size);
	if (p && (uintptr_t)p % alignment != 0) {
		void *below = (char *)p - (uintptr_t)p % alignment;

		munmap(p, size);
		p = map_at(below, size);
		if (!p)
			p = map_and_trim(size, alignment);
	}
	errno = saved;
	return p;
}

/* It fails if it would split a mapping and the process has vm.max_map_count of them: then the range
 * stays as it is. */
int os_unmap(void *address, size_t size)
{
	int saved = errno, error;

	error = !fails(&os_fail_unmap) && munmap(address, size) == 0 ? 0 : errno;
	errno = saved;
	return error;
}

/* The kernel rounds the length of a purge up.  With less than whole pages it would take what others
 * have on the last one. */
static bool is_whole_pages(const void *address, size_t size)
{
	return (((uintptr_t)address | size) & (os_page_size() - 1)) == 0;
}

/* ms, and never 0: when the system has refused to take pages the last time.  0: it takes them. */
static _Atomic unsigned x_purge_refused;

static void note_purge(bool done)
{
	unsigned refused = done ? 0 : os_milliseconds() | 1;

	if (load_relaxed(&x_purge_refused) != refused)
		store_relaxed(&x_purge_refused, refused);
}

bool os_takes_pages(void)
{
	unsigned refused = load_relaxed(&x_purge_refused);

	return likely(refused == 0) || os_age(os_milliseconds(), refused) >= 1000;
}

/* MADV_DONTNEED takes the pages at once, and the range stays mapped.  It fails for pages that are
 * locked (mlock); Linux 5.18 and later takes these when they are asked for by name.  A page that
 * comes back is locked again. */
static bool take_pages(void *address, size_t size)
{
	if (fails(&os_fail_purge))
		return false;
	return madvise(address, size, MADV_DONTNEED) == 0 ||
	       (errno == EINVAL && madvise(address, size, DONTNEED_LOCKED) == 0);
}

int os_purge(void *address, size_t size)
{
	int saved = errno, error = 0;

	if (!is_whole_pages(address, size))
		return EINVAL;
	if (!take_pages(address, size))
		error = errno;
	note_purge(error == 0);
	errno = saved;
	return error;
}

static _Atomic bool x_ranges_unknown; /* the kernel does not take several ranges in a call */

bool os_joins_ranges(void)
{
	return !load_relaxed(&x_ranges_unknown);
}

/* Asks for all ranges in one call.  Linux before 6.13 does that for other processes only, and for
 * other advice; before 6.14 it does not know this name of the own process.  false: some of it may
 * have been done. */
static bool take_ranges(const struct iovec *ranges, unsigned n, size_t bytes)
{
	long done;

	if (!os_joins_ranges() || is_tested())
		return false;
	done = syscall(SYS_process_madvise, SELF, ranges, (unsigned long)n, MADV_DONTNEED, 0u);
	if (done < 0 && errno != EINVAL)
		store_relaxed(&x_ranges_unknown, true);
	return done >= 0 && (size_t)done == bytes;
}

size_t os_purge_ranges(struct iovec *ranges, unsigned n)
{
	size_t bytes = 0, refused = 0;
	int saved = errno;

	for (unsigned i = 0; i < n; i++)
		bytes += ranges[i].iov_len;
	if (n > 1 && take_ranges(ranges, n, bytes)) {
		note_purge(true);
		errno = saved;
		return bytes;
	}
	for (unsigned i = 0; i < n; i++) {
		if (os_purge(ranges[i].iov_base, ranges[i].iov_len) == 0)
			continue;
		refused += ranges[i].iov_len;
		ranges[i].iov_len = 0;
	}
	errno = saved;
	return bytes - refused;
}

/* The kernel unmaps the target first, and then may fail for want of memory for its tables: so after
 * an error the target may be gone. */
int os_move(void *from, size_t size, void *to, size_t room)
{
	int saved = errno, error = 0;

	if (fails(&os_fail_move) ||
	    mremap(from, size, room, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		error = errno;
	errno = saved;
	return error;
}

/* glibc has no function for this system call. */
static int membarrier(int command)
{
	return fails(&os_fail_barrier) ? -1 : (int)syscall(SYS_membarrier, command, 0, 0);
}

int os_barrier(void)
{
	int saved = errno, error = 0;

	/* A process must register once before it may ask. */
	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
	    (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0 ||
	     membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0))
		error = errno ? errno : EAGAIN;
	errno = saved;
	return error;
}

static __thread uint32_t thread_number; /* 0: not asked yet */

uint32_t os_thread_number(void)
{
	if (unlikely(thread_number == 0))
		thread_number = (uint32_t)syscall(SYS_gettid);
	return thread_number;
}

void os_fork_child(void)
{
	thread_number = 0;
}

/* The coarse clock is read without a system call. */
unsigned os_milliseconds(void)
{
	struct timespec now = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (unsigned)now.tv_sec * 1000 + (unsigned)(now.tv_nsec / 1000000) + ahead();
}

unsigned os_processor_milliseconds(void)
{
	struct timespec spent = { 0, 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	return (unsigned)spent.tv_sec * 1000 + (unsigned)(spent.tv_nsec / 1000000);
}

/* Several threads may ask at the same time, and find the same.  Room for 8192 processors. */
unsigned os_processors(void)
{
	static _Atomic unsigned x_processors;
	unsigned long mask[128] = { 0 };
	unsigned n = load_relaxed(&x_processors);

	if (likely(n != 0))
		return n;
	if (syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask) > 0)
		for (size_t i = 0; i < array_length(mask); i++)
			n += (unsigned)__builtin_popcountl(mask[i]);
	n = n ? n : 1;
	store_relaxed(&x_processors, n);
	return n;
}

/* Asked anew each time, because a program may change its own limit. */
size_t os_space_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return limit.rlim_cur;
}

bool os_is_limited(void)
{
	return load_relaxed(&x_refused) || os_space_limit() != SIZE_MAX;
}

/* It may fail where it would split a mapping; an arena works without a guard, too. */
void os_guard(void *address, size_t size)
{
	int saved = errno;

	mprotect(address, size, PROT_NONE);
	errno = saved;
}

/* Where the range does not end where a mapping ends, it becomes a mapping of its own, and the
 * kernel allows a process vm.max_map_count of these. */
int os_protect(void *address, size_t size, bool accessible)
{
	int saved = errno, error = 0;

	if (fails(&os_fail_protect) ||
	    mprotect(address, size, accessible ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
		error = errno;
	errno = saved;
	return error;
}

void os_advise_huge(void *address, size_t size, enum os_huge huge)
{
	int saved = errno;

	if (huge != OS_HUGE_SYSTEM)
		madvise(address, size, huge == OS_HUGE_ALWAYS ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	errno = saved;
}

/* The kernel knows labels from Linux 5.17 on, if it is configured so.  Elsewhere this fails, and
 * nothing depends on it. */
void os_label(void *address, size_t size, const char *name)
{
	int saved = errno;

	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, size, name);
	errno = saved;
}

size_t os_page_size(void)
{
	static _Atomic size_t x_size;
	size_t size = load_relaxed(&x_size);

	if (unlikely(size == 0)) {
		size = (size_t)sysconf(_SC_PAGESIZE);
		store_relaxed(&x_size, size);
	}
	return size;
}

/* pthread_setspecific allocates in processes with many keys, and so may call malloc, which may be
 * Arenite's. */
bool os_at_thread_end(pthread_key_t key, void *value)
{
	int saved = errno;
	bool done = pthread_setspecific(key, value) == 0;

	errno = saved;
	return done;
}
