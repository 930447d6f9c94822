/* SPDX-License-Identifier: MIT
 *
 * elf.h - what the file of a program or library says of the libraries with which it is linked.
 *
 * The file may be anything, also one that was made to do harm: each offset that is read from it is
 * checked to lie in the file before it is used.
 */
#ifndef ARN_CLI_ELF_H
#define ARN_CLI_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A file in memory, and its table of dynamic entries.  It is never unmapped, because soon after
 * this the process ends or becomes another program.
 */
struct elf {
	const char *bytes;
	size_t size;
	const ElfW(Phdr) * segments;
	size_t segment_count;
	const ElfW(Dyn) * entries;
	size_t entry_count;
	size_t strings; /* the offset in the file of the entries' strings */
};

/*
 * Map a file and find its tables.  false: there is no such file, it is not for a machine of this
 * kind, or it is linked with nothing.
 */
bool elf_open(struct elf *elf, const char *path);

/*
 * The string of the next entry with this tag (DT_NEEDED, DT_RPATH, DT_RUNPATH), from entry
 * *position on, which moves behind it.  It lies in the mapped file.  NULL: there are no more.
 */
const char *elf_next(const struct elf *elf, ElfW(Sxword) tag, size_t *position);

#endif
