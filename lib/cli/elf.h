/* SPDX-License-Identifier: MIT
 *
 * cli-elf.h - what a program's file says of the libraries that it is linked with.
 *
 * The file may be anything: whatever is read is checked to be in it.
 */
#ifndef ARN_CLI_ELF_H
#define ARN_CLI_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

/* A file in memory, and its table of dynamic entries.  It stays mapped: another program follows, or
 * the end. */
struct elf {
	const char *bytes;
	size_t size;
	const ElfW(Phdr) * segments;
	size_t segment_count;
	const ElfW(Dyn) * entries;
	size_t entry_count;
	size_t strings; /* where their strings are in the file */
};

/* False: no such file, not for this machine, or linked with nothing. */
bool elf_open(struct elf *elf, const char *path);

/* The next string with this tag (DT_NEEDED, DT_RPATH, DT_RUNPATH), from entry *position on; NULL:
 * no more. */
const char *elf_next(const struct elf *elf, ElfW(Sxword) tag, size_t *position);

#endif
