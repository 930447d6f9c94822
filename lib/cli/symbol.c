/* SPDX-License-Identifier: MIT
 *
 * symbol.c - the name of the function at an address of another process, from the symbol tables of
 * the file that is mapped there; of a file that has come in its place since, no names are taken.
 *
 * Which one it is says its build id, if the process has told that of what it has mapped.  Else a
 * file that was replaced is known by its inode and the time.
 *
 * The files may be anything: each offset that is read from one is checked to lie in it.
 */
#include "cli/profile.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct object {
	struct object *next;
	char *path;
	uint64_t inode;
	const char *bytes; /* NULL: it cannot be read */
	size_t size;
	bool is_other; /* another file has come in the place of the one that is mapped */
	char build_id[2 * BUILD_ID_MOST + 1]; /* in hexadecimal; empty: it has none */
};

static struct object *objects;

static bool is_inside(const struct object *object, size_t offset, size_t size)
{
	return offset <= object->size && size <= object->size - offset && offset % 8 == 0;
}

/* A file that was replaced is another inode, and its status has changed since the process began. */
static bool is_other(const struct object *object, const struct stat *status, uint64_t began)
{
	return status->st_ino != object->inode && (uint64_t)status->st_ctime >= began;
}

static void map_file(struct object *object, uint64_t began)
{
	int fd = open(object->path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *map;

	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
		object->size = (size_t)status.st_size;
		object->is_other = is_other(object, &status, began);
		map = mmap(NULL, object->size, PROT_READ, MAP_PRIVATE, fd, 0);
		object->bytes = map == MAP_FAILED ? NULL : map;
	}
	close(fd);
}

static void find_build_id(struct object *object);

/* The file of an object is known now.  If the process has said what it has mapped (`told`), the
 * file has to be that build. */
static void judge(struct object *object, const char *told)
{
	find_build_id(object);
	if (*told)
		object->is_other = strcmp(object->build_id, told) != 0;
	if (object->is_other)
		object->bytes = NULL;
	if (*told || object->is_other)
		snprintf(object->build_id, sizeof(object->build_id), "%s", told);
}

static struct object *object_of(const char *path, size_t length, uint64_t inode, uint64_t began,
                                const char *told)
{
	struct object *object;

	for (object = objects; object; object = object->next)
		if (object->inode == inode && strlen(object->path) == length &&
		    memcmp(object->path, path, length) == 0)
			return object;
	object = calloc(1, sizeof(*object));
	if (!object || !(object->path = strndup(path, length)))
		abort();
	object->inode = inode;
	map_file(object, began);
	judge(object, told);
	object->next = objects;
	return objects = object;
}

/* The head of the file, if it is one of a program or library. */
static const ElfW(Ehdr) * head_of(const struct object *object)
{
	const ElfW(Ehdr) *head = (const void *)object->bytes;

	if (!object->bytes || !is_inside(object, 0, sizeof(*head)) ||
	    memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    !is_inside(object, head->e_phoff, head->e_phnum * sizeof(ElfW(Phdr))) ||
	    !is_inside(object, head->e_shoff, head->e_shnum * sizeof(ElfW(Shdr))))
		return NULL;
	return head;
}

/* Where the byte at this offset of the file is linked to be.  0: nowhere. */
static uint64_t address_in_file(const struct object *object, const ElfW(Ehdr) * head, uint64_t at)
{
	const ElfW(Phdr) *segment = (const void *)(object->bytes + head->e_phoff);

	for (unsigned i = 0; i < head->e_phnum; i++)
		if (segment[i].p_type == PT_LOAD && at >= segment[i].p_offset &&
		    at - segment[i].p_offset < segment[i].p_filesz)
			return segment[i].p_vaddr + (at - segment[i].p_offset);
	return 0;
}

/* The name in this table of symbols whose function has the address. */
static const char *find_in(const struct object *object, const ElfW(Ehdr) * head,
                           const ElfW(Shdr) * table, uint64_t address)
{
	const ElfW(Shdr) *strings = (const ElfW(Shdr) *)(object->bytes + head->e_shoff) +
	                            table->sh_link;
	const ElfW(Sym) *symbol = (const void *)(object->bytes + table->sh_offset);
	size_t count = table->sh_size / sizeof(*symbol);

	if (table->sh_link >= head->e_shnum ||
	    !is_inside(object, table->sh_offset, table->sh_size) ||
	    strings->sh_offset > object->size ||
	    strings->sh_size > object->size - strings->sh_offset)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const char *name = object->bytes + strings->sh_offset + symbol[i].st_name;

		if (ELF64_ST_TYPE(symbol[i].st_info) == STT_FUNC &&
		    symbol[i].st_shndx != SHN_UNDEF && address >= symbol[i].st_value &&
		    address - symbol[i].st_value < symbol[i].st_size &&
		    symbol[i].st_name < strings->sh_size &&
		    memchr(name, '\0', strings->sh_size - symbol[i].st_name))
			return name;
	}
	return NULL;
}

static const char *find_function(const struct object *object, uint64_t at)
{
	const ElfW(Ehdr) *head = head_of(object);
	uint64_t address = head ? address_in_file(object, head, at) : 0;
	const ElfW(Shdr) *section = head ? (const void *)(object->bytes + head->e_shoff) : NULL;
	const char *name = NULL;

	for (unsigned i = 0; address && !name && i < head->e_shnum; i++)
		if (section[i].sh_type == SHT_SYMTAB || section[i].sh_type == SHT_DYNSYM)
			name = find_in(object, head, &section[i], address);
	return name;
}

/* ---- build ids ------------------------------------------------------------------------------- */

static void write_id(char *text, const uint8_t *id, size_t size)
{
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
}

/* The note of the linker that names the build, if this is one. */
static void take_note(struct object *object, const ElfW(Nhdr) * note, size_t size)
{
	const uint8_t *id = (const uint8_t *)(note + 1) + 4;
	size_t length = note->n_descsz;

	if (note->n_type != NT_GNU_BUILD_ID || note->n_namesz != 4 ||
	    length > (sizeof(object->build_id) - 1) / 2 || sizeof(*note) + 4 + length > size)
		return;
	write_id(object->build_id, id, length);
}

static void find_in_notes(struct object *object, size_t at, size_t size)
{
	while (size >= sizeof(ElfW(Nhdr)) && at % 4 == 0 && at <= object->size &&
	       size <= object->size - at) {
		const ElfW(Nhdr) *note = (const void *)(object->bytes + at);
		uint64_t length = sizeof(*note) + (((uint64_t)note->n_namesz + 3) & ~3ull) +
		                  (((uint64_t)note->n_descsz + 3) & ~3ull);

		take_note(object, note, size);
		if (length > size)
			return;
		at += length;
		size -= length;
	}
}

static void find_build_id(struct object *object)
{
	const ElfW(Ehdr) *head = head_of(object);
	const ElfW(Phdr) *segment = head ? (const void *)(object->bytes + head->e_phoff) : NULL;

	for (unsigned i = 0; head && i < head->e_phnum; i++)
		if (segment[i].p_type == PT_NOTE)
			find_in_notes(object, segment[i].p_offset, segment[i].p_filesz);
}

/* ---- mappings -------------------------------------------------------------------------------- */

/* What the process has said of the file with this address; empty: nothing. */
static void find_told(const struct profile *profile, uint64_t address, char *told)
{
	*told = '\0';
	for (size_t i = profile->build_count; i > 0 && !*told; i--) {
		const struct record_build *build = profile->builds[i - 1];

		if (address >= build->start && address < build->end)
			write_id(told, build->id, build->size);
	}
}

/* A line of maps: "START-END MODE OFFSET DEVICE INODE   PATH". */
bool symbol_mapping(const struct profile *profile, uint64_t address, struct mapping *mapping)
{
	char told[2 * BUILD_ID_MOST + 1];

	for (const char *line = profile->maps; line && *line; line = strchr(line, '\n')) {
		unsigned long long start, end, offset, inode;
		int path = 0;

		line += *line == '\n';
		if (sscanf(line, "%llx-%llx %*s %llx %*s %llu %n", &start, &end, &offset, &inode,
		           &path) != 4 ||
		    address < start || address >= end)
			continue;
		if (path == 0 || line[path] != '/')
			return false;
		find_told(profile, address, told);
		mapping->start = start;
		mapping->end = end;
		mapping->offset = offset;
		mapping->object = object_of(line + path, strcspn(line + path, "\n"), inode,
		                            profile->header->began, told);
		mapping->file = mapping->object->path;
		mapping->build_id = mapping->object->build_id;
		return true;
	}
	return false;
}

const char *symbol_find(const struct profile *profile, uint64_t address, const char **file)
{
	struct mapping mapping;

	if (!symbol_mapping(profile, address, &mapping))
		return NULL;
	*file = mapping.file;
	return find_function(mapping.object, address - mapping.start + mapping.offset);
}
