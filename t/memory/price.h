/* SPDX-License-Identifier: MIT
 *
 * price.h - what t/memory/price.c measures: processor time, page faults, and the calls that give
 * memory back, of whichever allocator.  The program has functions of its own in the place of the
 * C library's madvise, munmap and syscall, which count and pass on.  (glibc's own malloc does not
 * come through here.)  Link with -rdynamic.
 *
 * A lap prints the line "lap CPU FAULTS CALLS BYTES RSS", as those of t/memory/price.py do.
 */
#ifndef ARN_T_PRICE_H
#define ARN_T_PRICE_H

#include "memory.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static atomic_size_t calls, bytes_given, calls_tried;
/* Every madvise that would give pages back fails, as under a filter of seccomp. */
static atomic_bool denied;

#define REAL(name) ((__typeof__(name) *)real_function(#name))

static void *real_function(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f)
		bench_die(name, "not in the C library");
	return f;
}

/* Count what was resident, instead of address space: dear, so it is for counts alone. */
static bool by_pages;

static size_t resident_before(void)
{
	return by_pages ? proc_bytes("/proc/self/status", "\nVmRSS:") : 0;
}

static void count(bool worked, size_t bytes, size_t before)
{
	atomic_fetch_add(&calls_tried, 1);
	if (!worked)
		return;
	if (by_pages) {
		size_t now = resident_before();

		bytes = before > now ? before - now : 0;
	}
	atomic_fetch_add(&calls, 1);
	atomic_fetch_add(&bytes_given, bytes);
}

/* Its name is not in every C library's headers: for locked pages, too. */
#define ADVICE_DONTNEED_LOCKED 24

static bool gives_back(long advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE || advice == ADVICE_DONTNEED_LOCKED;
}

static bool is_denied(void)
{
	if (!atomic_load(&denied))
		return false;
	errno = EPERM;
	return true;
}

int madvise(void *start, size_t bytes, int advice)
{
	size_t before;
	int result;

	if (!gives_back(advice))
		return REAL(madvise)(start, bytes, advice);
	before = resident_before();
	result = is_denied() ? -1 : REAL(madvise)(start, bytes, advice);
	count(result == 0, bytes, before);
	return result;
}

int munmap(void *start, size_t bytes)
{
	size_t before = resident_before();
	int result = REAL(munmap)(start, bytes);

	count(result == 0, bytes, before);
	return result;
}

/* process_madvise(pidfd, vector, length, advice, flags), where it is called by number. */
long syscall(long number, ...)
{
	size_t before = resident_before();
	long a[6], result;
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number != SYS_process_madvise || !gives_back(a[3]))
		return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	result = is_denied() ? -1 : REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4]);
	count(result >= 0, result >= 0 ? (size_t)result : 0, before);
	return result;
}

ssize_t process_madvise(int pidfd, const struct iovec *vector, size_t n, int advice, unsigned flags)
{
	return syscall(SYS_process_madvise, (long)pidfd, vector, n, (long)advice, (long)flags, 0L);
}

struct spent {
	double cpu;
	long faults;
	size_t calls, bytes;
};

static inline struct spent spent_now(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (struct spent){ bench_clock(CLOCK_PROCESS_CPUTIME_ID), usage.ru_minflt,
		               atomic_load(&calls), atomic_load(&bytes_given) };
}

static inline void print_lap(struct spent since)
{
	struct spent now = spent_now();

	printf("lap %.6f %ld %zu %zu %zu\n", now.cpu - since.cpu, now.faults - since.faults,
	       now.calls - since.calls, now.bytes - since.bytes,
	       proc_bytes("/proc/self/status", "\nVmRSS:"));
}

enum { BLOCKS = 1 << 20, MIB = 1 << 20 };

static char **block;

static void *take(size_t size)
{
	void *p = bench_malloc(size);

	if (!p)
		bench_die("malloc", "no memory");
	return memset(p, 1, size);
}

static inline void make(char **at, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		at[i] = take(size);
}

static inline void drop(char **at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bench_free(at[i]);
}

static inline void make_and_drop(size_t n, size_t size)
{
	make(block, n, size);
	drop(block, n);
}

/* Some thread does something, now and then, and until it is seen what stays. */
static inline void *work_a_little(void *unused)
{
	const char *seconds = getenv("PRICE_LATER");
	double end = bench_clock(CLOCK_MONOTONIC) + (seconds ? atof(seconds) : 1);
	char *own[200];

	while (bench_clock(CLOCK_MONOTONIC) < end) {
		make(own, 200, 100);
		drop(own, 200);
		pause_seconds(0.01);
	}
	return unused;
}

static inline void let_some_thread_work(void)
{
	pthread_t thread;

	start_thread(&thread, work_a_little, NULL);
	pthread_join(thread, NULL);
}

#define PRICE_MAIN(cases)                                                      \
	int main(int argc, char **argv)                                        \
	{                                                                      \
		const struct memory_case *c = BENCH_CHOOSE(argc, argv, cases); \
                                                                               \
		setvbuf(stdout, NULL, _IOLBF, 0);                              \
		block = table(BLOCKS * sizeof *block);                         \
		c->run(atof(argv[3]));                                         \
		metric("peak", (double)bench_peak_kib() * 1024);               \
	}

#endif
