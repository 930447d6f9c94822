/* SPDX-License-Identifier: MIT
 *
 * os-memory.c - what the kernel says in /proc/self/status of the memory of the process.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The number of KiB in the line that begins with this name, in bytes; 0: there is no such line. */
static size_t bytes_of(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? strtoul(line + strlen(name), NULL, 10) * KIB : 0;
}

/* The file has less than 2 KiB.  Nothing is allocated, because a malloc may ask. */
static size_t read_status(char *text, size_t size)
{
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	while (length < size - 1 && (n = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	close(fd);
	text[length] = '\0';
	return length;
}

/* open(2) and read(2) are cancellation points, so cancellation is disabled meanwhile. */
bool os_memory(struct os_memory *memory)
{
	char text[8192];
	int saved = errno, cancel;
	size_t length;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	length = read_status(text, sizeof(text));
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	if (length == 0)
		return false;
	*memory = (struct os_memory){ .resident = bytes_of(text, "\nVmRSS:"),
		                      .anonymous = bytes_of(text, "\nRssAnon:"),
		                      .files = bytes_of(text, "\nRssFile:") +
		                               bytes_of(text, "\nRssShmem:"),
		                      .peak = bytes_of(text, "\nVmHWM:") };
	return memory->resident != 0;
}

/* The system tells each thread the peak of the process, and does not look at all threads for it. */
size_t os_peak_resident(void)
{
	int saved = errno;
	struct rusage usage;
	bool told = getrusage(RUSAGE_THREAD, &usage) == 0;

	errno = saved;
	return told ? (size_t)usage.ru_maxrss * 1024 : 0;
}
