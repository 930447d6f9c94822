/* SPDX-License-Identifier: MIT
 *
 * kernel - a kernel with larger pages, pretended: preload this, and a program meets pages of
 * ARN_TEST_PAGE bytes.
 *
 * The calls that deal in pages behave as such a kernel's do: an address that is not a multiple of
 * the page is refused with EINVAL, a length is rounded up, and what mmap returns is a multiple.
 * Memory that no caller meant is so lost as it would be lost there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static size_t page(void)
{
	static size_t size;

	if (size == 0) {
		const char *text = getenv("ARN_TEST_PAGE");

		size = text ? strtoul(text, NULL, 0) : 65536;
	}
	return size;
}

static size_t whole(size_t length)
{
	return (length + page() - 1) & ~(page() - 1);
}

static int refuse(void)
{
	errno = EINVAL;
	return -1;
}

static int is_odd(const void *address)
{
	return (uintptr_t)address % page() != 0;
}

/* ---- who asks how large a page is ------------------------------------------------------------ */

long sysconf(int name)
{
	long (*next)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");

	return name == _SC_PAGESIZE ? (long)page() : next ? next(name) : -1;
}

int getpagesize(void)
{
	return (int)page();
}

unsigned long getauxval(unsigned long type)
{
	unsigned long (*next)(unsigned long) = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT,
	                                                                               "getauxval");

	return type == AT_PAGESZ ? page() : next ? next(type) : 0;
}

/* ---- mappings -------------------------------------------------------------------------------- */

static void *map(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	size_t size = whole(length), head;
	char *p;

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (is_odd(address)) {
			errno = EINVAL;
			return MAP_FAILED;
		}
		return map(address, size, protection, flags, fd, offset);
	}
	if (!(flags & MAP_ANONYMOUS) || size < length)
		return map(address, length, protection, flags, fd, offset);
	p = map(NULL, size + page(), protection, flags, fd, offset);
	if (p == MAP_FAILED)
		return p;
	head = (size_t)(-(uintptr_t)p) % page();
	if (head)
		syscall(SYS_munmap, p, head);
	syscall(SYS_munmap, p + head + size, page() - head);
	return p + head;
}

int munmap(void *address, size_t length)
{
	return is_odd(address) ? refuse() : (int)syscall(SYS_munmap, address, whole(length));
}

int mprotect(void *address, size_t length, int protection)
{
	return is_odd(address) ? refuse()
	                       : (int)syscall(SYS_mprotect, address, whole(length), protection);
}

void *mremap(void *address, size_t old_length, size_t new_length, int flags, ...)
{
	va_list list;
	void *to;

	va_start(list, flags);
	to = flags & MREMAP_FIXED ? va_arg(list, void *) : NULL;
	va_end(list);
	if (is_odd(address) || is_odd(to) || (!to && (flags & MREMAP_MAYMOVE))) {
		errno = EINVAL; /* a place that it chose itself could be odd */
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mremap, address, whole(old_length), whole(new_length), flags,
	                       to);
}

/* ---- pages ----------------------------------------------------------------------------------- */

int madvise(void *address, size_t length, int advice)
{
	return is_odd(address) ? refuse()
	                       : (int)syscall(SYS_madvise, address, whole(length), advice);
}

/* The scan of page tables tells of smaller ones: this kernel is too old for it. */
int ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	(void)request;
	errno = ENOTTY;
	return -1;
}

/* One byte for each of the larger pages; a page is in memory if a part of it is. */
int mincore(void *address, size_t length, unsigned char *resident)
{
	size_t parts = page() / 4096;
	unsigned char part[64];

	if (is_odd(address) || parts > sizeof part)
		return refuse();
	for (size_t at = 0; at < length; at += page(), resident++) {
		if (syscall(SYS_mincore, (char *)address + at, page(), part) != 0)
			return -1;
		*resident = memchr(part, 1, parts) != NULL;
	}
	return 0;
}
