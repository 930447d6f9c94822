/* SPDX-License-Identifier: MIT */
#include "base/trace.h"

#include "base/base.h"
#include "base/text.h"

#include <link.h>
#include <unwind.h>

/* Frames that are written, and those of this file, which come first and are left out. */
#define FRAMES 32u
#define OWN    1u

/* The module that an address belongs to, and where it begins. */
struct place {
	uintptr_t address, base;
	const char *module; /* "": the program; NULL: none */
};

static int find_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *place = arg;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type != PT_LOAD ||
		    place->address - (info->dlpi_addr + header->p_vaddr) >= header->p_memsz)
			continue;
		place->base = info->dlpi_addr;
		place->module = info->dlpi_name;
		return 1;
	}
	return 0;
}

/* The address is one behind the call, so it may be that of the next function. */
static void write_frame(uintptr_t address)
{
	struct place place = { .address = address - 1 };
	struct text text = { 0 };

	dl_iterate_phdr(find_module, &place);
	text_add(&text, "  called from ");
	if (place.module)
		text_add(&text, *place.module ? place.module : "the program");
	text_add(&text, place.module ? "+" : "");
	text_add_pointer(&text, (const void *)(address - 1 - place.base));
	log_line(&text);
}

static _Unwind_Reason_Code next_frame(struct _Unwind_Context *context, void *arg)
{
	unsigned *n = arg;

	if (++*n > OWN && _Unwind_GetIP(context) != 0)
		write_frame(_Unwind_GetIP(context));
	return *n < FRAMES + OWN ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void trace_write(void)
{
	unsigned n = 0;

	_Unwind_Backtrace(next_frame, &n);
}
