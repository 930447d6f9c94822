/* SPDX-License-Identifier: MIT
 *
 * os-share.c - memory that other processes can find: a file in memory (memfd_create) that this
 * process has mapped and keeps open.
 */
#include "os/os.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Programs expect the descriptors that they open to begin below this, and some ask for each number
 * up to 255 whether it is open. */
#define FD_LEAST 256

/* As high as that, or as high as the process may have one. */
static int out_of_the_way(int fd)
{
	int high = -1;

	for (int least = FD_LEAST; least > fd && high < 0; least /= 2)
		high = fcntl(fd, F_DUPFD_CLOEXEC, least);
	if (high < 0)
		return fd;
	close(fd);
	return high;
}

/* No process can change the size of the file any more, which would end this one by SIGBUS, nor,
 * from Linux 5.1 on, write to it but through the mapping that there is. */
static void seal(int fd)
{
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
}

/* A file that would be larger than the process may make one would end it by SIGXFSZ. */
static bool may_be_made(size_t size)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) != 0 || size <= limit.rlim_cur;
}

static bool map(struct os_shared *shared, const char *name, size_t size, const void *from, size_t n)
{
	int fd = may_be_made(size) ? memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
	struct stat status;
	void *address = MAP_FAILED;

	if (fd < 0)
		return false;
	if (ftruncate(fd, (off_t)size) == 0 && text_write_all(fd, from, n) &&
	    fstat(fd, &status) == 0)
		address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (address == MAP_FAILED) {
		close(fd);
		return false;
	}
	seal(fd);
	*shared = (struct os_shared){ address, size, out_of_the_way(fd), status.st_ino };
	return true;
}

/* close(2) is a cancellation point. */
bool os_share(struct os_shared *shared, const char *name, size_t size, const void *from, size_t n)
{
	int saved = errno, cancel;
	bool done;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	done = map(shared, name, size, from, n);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return done;
}

/* The program may have closed the descriptor, and another file may have its number by now. */
void os_unshare(struct os_shared *shared)
{
	int saved = errno, cancel;
	struct stat status;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	munmap(shared->address, shared->size);
	if (fstat(shared->fd, &status) == 0 && status.st_ino == shared->inode)
		close(shared->fd);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}
