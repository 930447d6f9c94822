/* SPDX-License-Identifier: MIT
 *
 * elf.c - reads the head, the segments and the dynamic table of a file.
 */
#include "cli/elf.h"

#include <fcntl.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Do these bytes lie in the file?  The sum of offset and size is not formed, since it might
 * overflow.
 */
static bool is_inside(const struct elf *elf, size_t offset, size_t size)
{
	return offset <= elf->size && size <= elf->size - offset;
}

/*
 * Find the segments.  The tables are read where they are in the file, so they have to be aligned.
 */
static bool read_head(struct elf *elf)
{
	const ElfW(Ehdr) *head = (const void *)elf->bytes;

	if (!is_inside(elf, 0, sizeof(*head)) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
	    head->e_phentsize != sizeof(ElfW(Phdr)) || head->e_phoff % alignof(ElfW(Phdr)) != 0 ||
	    !is_inside(elf, head->e_phoff, head->e_phnum * sizeof(ElfW(Phdr))))
		return false;
	elf->segments = (const void *)(elf->bytes + head->e_phoff);
	elf->segment_count = head->e_phnum;
	return true;
}

/*
 * Find the table of dynamic entries.  false: there is none, as in a program that is linked
 * statically.
 */
static bool read_dynamic(struct elf *elf)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const ElfW(Phdr) *segment = &elf->segments[i];

		if (segment->p_type != PT_DYNAMIC || segment->p_offset % alignof(ElfW(Dyn)) != 0 ||
		    !is_inside(elf, segment->p_offset, segment->p_filesz))
			continue;
		elf->entries = (const void *)(elf->bytes + segment->p_offset);
		elf->entry_count = segment->p_filesz / sizeof(ElfW(Dyn));
		return true;
	}
	return false;
}

/*
 * The offset in the file of an address that the program would have in memory; SIZE_MAX: the address
 * is not in the file.
 */
static size_t offset_of(const struct elf *elf, ElfW(Addr) address)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const ElfW(Phdr) *segment = &elf->segments[i];

		if (segment->p_type == PT_LOAD && address - segment->p_vaddr < segment->p_filesz)
			return segment->p_offset + (address - segment->p_vaddr);
	}
	return SIZE_MAX;
}

/* Find the strings of the dynamic entries.  The table tells their address in memory. */
static bool read_strings(struct elf *elf)
{
	elf->strings = SIZE_MAX;
	for (size_t i = 0; i < elf->entry_count && elf->entries[i].d_tag != DT_NULL; i++)
		if (elf->entries[i].d_tag == DT_STRTAB)
			elf->strings = offset_of(elf, elf->entries[i].d_un.d_ptr);
	return elf->strings < elf->size;
}

static bool map(struct elf *elf, const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *bytes = MAP_FAILED;

	*elf = (struct elf){ 0 };
	if (file < 0)
		return false;
	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
		elf->size = (size_t)status.st_size;
		bytes = mmap(NULL, elf->size, PROT_READ, MAP_PRIVATE, file, 0);
	}
	close(file);
	elf->bytes = bytes;
	return bytes != MAP_FAILED;
}

bool elf_open(struct elf *elf, const char *path)
{
	return map(elf, path) && read_head(elf) && read_dynamic(elf) && read_strings(elf);
}

/*
 * The string at this offset from the strings' beginning; NULL: it does not begin or does not end in
 * the file.
 */
static const char *string_at(const struct elf *elf, size_t offset)
{
	size_t at = elf->strings + offset;

	return offset < elf->size && is_inside(elf, at, 1) &&
	                       memchr(elf->bytes + at, 0, elf->size - at)
	               ? elf->bytes + at
	               : NULL;
}

const char *elf_next(const struct elf *elf, ElfW(Sxword) tag, size_t *position)
{
	while (*position < elf->entry_count && elf->entries[*position].d_tag != DT_NULL) {
		const ElfW(Dyn) *entry = &elf->entries[(*position)++];
		const char *string = entry->d_tag == tag ? string_at(elf, entry->d_un.d_val) : NULL;

		if (string)
			return string;
	}
	return NULL;
}
