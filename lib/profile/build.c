/* SPDX-License-Identifier: MIT */
#include "profile/build.h"

#include "base/trace.h"
#include "os/os.h"
#include "profile/image.h"
#include "profile/lookup.h"

#include <link.h>

/* What a record is known by. */
struct build {
	uint64_t start, end;
	const uint8_t *id;
	uint32_t size;
};

/* ---- in memory ------------------------------------------------------------------------------- */

/* The id, if this note of the linker has it.  Names and what follows them are at multiples of 4. */
static size_t read_note(struct build *build, const char *at, size_t size)
{
	const ElfW(Nhdr) *note = (const void *)at;
	size_t name = align_up(note->n_namesz, 4), length = align_up(note->n_descsz, 4);

	if (name > size || length > size || sizeof(*note) + name + length > size)
		return size;
	if (note->n_type == NT_GNU_BUILD_ID && name == 4 && note->n_descsz <= BUILD_ID_MOST) {
		build->id = (const uint8_t *)at + sizeof(*note) + name;
		build->size = note->n_descsz;
	}
	return sizeof(*note) + name + length;
}

static void read_notes(struct build *build, uintptr_t at, size_t size)
{
	if (at < build->start || at > build->end || size > build->end - at)
		return;
	while (!build->id && size >= sizeof(ElfW(Nhdr))) {
		size_t length = read_note(build, (const char *)at, size);

		at += length;
		size -= length;
	}
}

/* The head of the file and its list of segments are in the first page of what is mapped of it. */
static void read_head(struct build *build, uintptr_t base)
{
	const ElfW(Ehdr) *head = (const void *)(uintptr_t)build->start;
	const ElfW(Phdr) *segment = (const void *)(uintptr_t)(build->start + head->e_phoff);

	if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_phoff + head->e_phnum * sizeof(*segment) > os_page_size())
		return;
	for (unsigned i = 0; i < head->e_phnum && !build->id; i++)
		if (segment[i].p_type == PT_NOTE)
			read_notes(build, base + segment[i].p_vaddr, segment[i].p_memsz);
}

/* The file whose code is at this address.  false: there is none, or it has no id. */
static bool find_build(struct build *build, uint64_t address)
{
	struct trace_module module;

	if (!trace_find_module((uintptr_t)address, &module))
		return false;
	build->start = module.start;
	build->end = module.end;
	build->id = NULL;
	read_head(build, module.base);
	return build->id != NULL;
}

/* ---- records --------------------------------------------------------------------------------- */

static bool is_same(const struct record *record, const void *key)
{
	const struct record_build *known = (const struct record_build *)record;
	const struct build *build = key;

	return load_relaxed(&record->x_kind) == RECORD_BUILD && known->start == build->start &&
	       known->size == build->size && memcmp(known->id, build->id, build->size) == 0;
}

static void add_record(const struct build *build, uint64_t hash)
{
	struct record *record = image_take(sizeof(struct record_build));
	struct record_build *known = (struct record_build *)record;

	if (!record)
		return;
	record->hash = hash;
	known->start = build->start;
	known->end = build->end;
	known->size = build->size;
	memcpy(known->id, build->id, build->size);
	image_publish(record, RECORD_BUILD);
	lookup_add(record, is_same, build);
}

void build_note(const uint64_t *frame, unsigned n)
{
	struct build build = { 0 };

	for (unsigned i = 0; i < n; i++) {
		bool is_known = frame[i] >= build.start && frame[i] < build.end;

		if (frame[i] & FRAME_PYTHON || is_known || !find_build(&build, frame[i]))
			continue;
		if (!lookup_find(lookup_hash(&build.start, 1), is_same, &build))
			add_record(&build, lookup_hash(&build.start, 1));
	}
}
