/* SPDX-License-Identifier: MIT */
#include "cli-program.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool program_find(char path[PATH_MAX], const char *name)
{
	const char *directory = getenv("PATH");

	if (strchr(name, '/'))
		return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX && access(path, X_OK) == 0;
	for (; directory && *directory; directory += *directory == ':') {
		size_t length = strcspn(directory, ":");

		snprintf(path, PATH_MAX, "%.*s/%s", (int)length, directory, name);
		if (access(path, X_OK) == 0)
			return true;
		directory += length;
	}
	errno = ENOENT;
	return false;
}

bool program_of_script(const char *path, char interpreter[PATH_MAX])
{
	char line[PATH_MAX] = "", *word, *rest;
	FILE *file = fopen(path, "r");
	bool is_script = file && fgets(line, sizeof(line), file) && strncmp(line, "#!", 2) == 0;

	if (file)
		fclose(file);
	if (!is_script || !(word = strtok_r(line + 2, " \t\n", &rest)))
		return false;
	if (strcmp(strrchr(word, '/') ? strrchr(word, '/') : word, "/env") == 0)
		while ((word = strtok_r(NULL, " \t\n", &rest)) && (*word == '-' || strchr(word, '=')))
			;
	return word && program_find(interpreter, word);
}

/* ---- ELF ------------------------------------------------------------------------------------------------- */

/* A program's file in memory.  It may be anything: whatever is read is checked to be in it. */
struct image {
	const char *bytes;
	size_t size;
	const ElfW(Phdr) *segments;
	size_t count;
};

static bool is_inside(const struct image *image, size_t offset, size_t size)
{
	return offset <= image->size && size <= image->size - offset;
}

static bool read_head(struct image *image)
{
	const ElfW(Ehdr) *head = (const void *)image->bytes;

	if (!is_inside(image, 0, sizeof(*head)) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
	    head->e_phentsize != sizeof(ElfW(Phdr)) || head->e_phoff % alignof(ElfW(Phdr)) != 0 ||
	    !is_inside(image, head->e_phoff, head->e_phnum * sizeof(ElfW(Phdr))))
		return false;
	image->segments = (const void *)(image->bytes + head->e_phoff);
	image->count = head->e_phnum;
	return true;
}

/* Where in the file an address of the program is; SIZE_MAX: nowhere */
static size_t offset_of(const struct image *image, ElfW(Addr) address)
{
	for (size_t i = 0; i < image->count; i++) {
		const ElfW(Phdr) *segment = &image->segments[i];

		if (segment->p_type == PT_LOAD && address - segment->p_vaddr < segment->p_filesz)
			return segment->p_offset + (address - segment->p_vaddr);
	}
	return SIZE_MAX;
}

static bool needs(const struct image *image, const ElfW(Dyn) *entries, size_t count, const char *library)
{
	size_t strings = SIZE_MAX, length = strlen(library);

	for (size_t i = 0; i < count; i++)
		if (entries[i].d_tag == DT_STRTAB)
			strings = offset_of(image, entries[i].d_un.d_ptr);
	if (strings == SIZE_MAX)
		return false;
	for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
		size_t name = strings + entries[i].d_un.d_val;

		if (entries[i].d_tag == DT_NEEDED && is_inside(image, name, length) &&
		    memcmp(image->bytes + name, library, length) == 0)
			return true;
	}
	return false;
}

static bool image_has_arenite(struct image *image)
{
	if (!read_head(image))
		return false;
	for (size_t i = 0; i < image->count; i++) {
		const ElfW(Phdr) *segment = &image->segments[i];

		if (segment->p_type == PT_DYNAMIC && segment->p_offset % alignof(ElfW(Dyn)) == 0 &&
		    is_inside(image, segment->p_offset, segment->p_filesz))
			return needs(image, (const void *)(image->bytes + segment->p_offset),
			             segment->p_filesz / sizeof(ElfW(Dyn)), "libarenite.so.");
	}
	return false;
}

bool program_has_arenite(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct image image = { 0 };
	struct stat status;
	bool found = false;

	if (file < 0)
		return false;
	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
		image.size = (size_t)status.st_size;
		image.bytes = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, file, 0);
		found = image.bytes != MAP_FAILED && image_has_arenite(&image);
	}
	close(file); /* it stays mapped: another program follows, or the end */
	return found;
}
