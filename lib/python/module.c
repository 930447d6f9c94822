/* SPDX-License-Identifier: MIT
 *
 * module.c - finds modules by addresses, and symbols in a module's table.
 */
#include "python/module.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

/*
 * What is looked for: a part of a module that has these flags (PF_W for data) and covers the whole
 * range of addresses.
 */
struct search {
	uintptr_t from, to;
	ElfW(Word) flags;
	struct module module; /* which was found */
};

static bool covers(const struct dl_phdr_info *info, const struct search *search)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + part->p_vaddr;

		if (part->p_type == PT_LOAD && (part->p_flags & search->flags) == search->flags &&
		    search->from >= from && search->to <= from + part->p_memsz)
			return true;
	}
	return false;
}

/* Called for each module.  1: this one covers the range, and the search ends. */
static int visit(struct dl_phdr_info *info, size_t size, void *wanted)
{
	struct search *search = wanted;

	(void)size;
	if (!covers(info, search))
		return 0;
	search->module = (struct module){ info->dlpi_addr, NULL };
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			search->module.dynamic = (const void *)(info->dlpi_addr +
			                                        info->dlpi_phdr[i].p_vaddr);
	return 1;
}

bool module_of(struct module *module, const void *address)
{
	struct search search = { (uintptr_t)address, (uintptr_t)address + 1, 0, { 0 } };

	if (dl_iterate_phdr(visit, &search) == 0)
		return false;
	*module = search.module;
	return true;
}

bool module_has_data(const void *from, const void *to)
{
	struct search search = { (uintptr_t)from, (uintptr_t)to, PF_W, { 0 } };

	return dl_iterate_phdr(visit, &search) != 0;
}

/*
 * The address of the table with this tag; NULL: the module has none.  glibc has added the module's
 * base to the addresses in the dynamic table, and musl has not.
 */
static const void *table(const struct module *module, ElfW(Sxword) tag)
{
	for (const ElfW(Dyn) *entry = module->dynamic; entry && entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == tag)
			return (const void *)(entry->d_un.d_ptr < module->base
			                              ? module->base + entry->d_un.d_ptr
			                              : entry->d_un.d_ptr);
	return NULL;
}

/*
 * How many symbols have to be looked at to find an import.  With GNU's table of hashes, symbols
 * that are taken from other modules are not hashed and come before those that are, and the second
 * word says where those begin.  With the old table the second word is the number of all symbols.
 */
static uint32_t imports_end(const struct module *module)
{
	const uint32_t *hashes = table(module, DT_GNU_HASH);

	if (!hashes)
		hashes = table(module, DT_HASH);
	return hashes ? hashes[1] : 0;
}

bool module_imports(const struct module *module, const char *name)
{
	const ElfW(Sym) *symbols = table(module, DT_SYMTAB);
	const char *names = table(module, DT_STRTAB);
	uint32_t end = imports_end(module);

	for (uint32_t i = 1; symbols && names && i < end; i++)
		if (symbols[i].st_shndx == SHN_UNDEF &&
		    strcmp(names + symbols[i].st_name, name) == 0)
			return true;
	return false;
}
