/* SPDX-License-Identifier: MIT
 *
 * shim.c - what qemu's emulation of a process lacks, and the tests need; preloaded by
 * t/cross/cross.sh.
 *
 * mincore    qemu writes a byte for each page of the machine below, so with larger pages more than
 *            there is room for, and refuses a range in which a page may not be read.
 * execv      A program that starts itself again by /proc/self/exe would start the emulator; here it
 *            is started with the words of ARN_EMULATOR before its own.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BELOW = 4096, AT_ONCE = 1 << 20, WORDS = 32 }; /* pages of the machine below */

/* A range that is refused is asked for in halves; a page that is refused is not resident.  How many
 * pages were not refused. */
static size_t look(char *address, size_t size, unsigned char *pages, size_t page)
{
	unsigned char below[AT_ONCE / BELOW + 1] = { 0 };
	size_t half = size / 2 / page * page;

	memset(pages, 0, size / page);
	if (size <= AT_ONCE && syscall(SYS_mincore, address, size, below) == 0) {
		for (size_t i = 0; i < size / BELOW; i++)
			pages[i * BELOW / page] |= below[i] & 1;
		return size / page;
	}
	if (half == 0)
		return 0;
	return look(address, half, pages, page) +
	       look(address + half, size - half, pages + half / page, page);
}

int mincore(void *address, size_t size, unsigned char *pages)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (look(address, (size + page - 1) / page * page, pages, page) > 0)
		return 0;
	errno = ENOMEM;
	return -1;
}

/* The emulator is a program of the machine below, which cannot have this preload. */
int execv(const char *path, char *const argv[])
{
	extern char **environ;
	char *words = strdup(getenv("ARN_EMULATOR") ? getenv("ARN_EMULATOR") : ""), *word[WORDS];
	size_t n = 0;

	if (strcmp(path, "/proc/self/exe") != 0 || !words || !*words)
		return execve(path, argv, environ);
	for (char *next = strtok(words, " "); next && n < WORDS - 8; next = strtok(NULL, " "))
		word[n++] = next;
	for (size_t i = 0; argv[i] && n < WORDS - 1; i++)
		word[n++] = argv[i];
	word[n] = NULL;
	unsetenv("LD_PRELOAD");
	return execve(word[0], word, environ);
}
