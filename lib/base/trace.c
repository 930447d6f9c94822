/* SPDX-License-Identifier: MIT */
#include "base/trace.h"

#include "base/base.h"
#include "base/text.h"

#include <dlfcn.h>
#include <link.h>
#include <unwind.h>

/* Frames that are written, and those of this file, which come first and are left out. */
#define FRAMES 32u
#define OWN    1u

/* The module that an address belongs to, as dl_iterate_phdr finds it. */
struct place {
	uintptr_t address;
	struct trace_module module; /* base and name; the name is NULL if there is none */
	void *tables;               /* the unwinder's, NULL: it has none */
};

static int find_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *place = arg;
	void *tables = NULL;
	bool is_here = false;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && place->address - at < header->p_memsz)
			is_here = true;
		if (header->p_type == PT_GNU_EH_FRAME)
			tables = (void *)at;
	}
	if (is_here) {
		place->module.base = info->dlpi_addr;
		place->module.name = info->dlpi_name;
		place->tables = tables;
	}
	return is_here;
}

#ifdef ARN_FIND_OBJECT
/* The C library lacks it, and the unwinder of this compiler, which was made for one that has it,
 * asks nothing else: without the tables of its own caller it ends the program.  The static
 * libraries have it for the program (link.sh), which gets the unwinder, too.  The fields are
 * glibc's, of which the unwinder reads the last one. */
struct dl_find_object {
	unsigned long long flags;
	void *start, *end;
	struct link_map *module;
	void *tables;
};

__attribute__((weak)) int _dl_find_object(void *address, struct dl_find_object *result);

int _dl_find_object(void *address, struct dl_find_object *result)
{
	struct place place = { .address = (uintptr_t)address };

	if (!dl_iterate_phdr(find_module, &place) || !place.tables)
		return -1;
	result->tables = place.tables;
	return 0;
}

/* A compiler that does not know the C library may link without the tables. */
static bool has_tables(void)
{
	struct dl_find_object found;

	return _dl_find_object((void *)(uintptr_t)trace_unwind, &found) == 0;
}
#else
static bool has_tables(void)
{
	return true;
}
#endif

void trace_unwind(_Unwind_Trace_Fn visit, void *arg)
{
	if (has_tables())
		_Unwind_Backtrace(visit, arg);
}

/* glibc 2.35 and later finds the module of an address without a lock.  The function is found by its
 * name, so that the library also runs where there is none. */
#ifdef DLFO_STRUCT_HAS_EH_DBASE
static int (*find_object)(void *address, struct dl_find_object *found);

void trace_init(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "_dl_find_object");

	memcpy(&find_object, &symbol, sizeof(symbol));
}

static bool can_find_module(void)
{
	return find_object != NULL;
}

bool trace_find_module(uintptr_t address, struct trace_module *module)
{
	struct dl_find_object found;

	if (!find_object || find_object((void *)address, &found) != 0)
		return false;
	module->base = found.dlfo_link_map->l_addr;
	module->name = found.dlfo_link_map->l_name;
	module->start = (uintptr_t)found.dlfo_map_start;
	module->end = (uintptr_t)found.dlfo_map_end;
	return true;
}
#else
void trace_init(void)
{
}

static bool can_find_module(void)
{
	return false;
}

bool trace_find_module(uintptr_t address, struct trace_module *module)
{
	(void)address;
	(void)module;
	return false;
}
#endif

void trace_write_address(uintptr_t address)
{
	struct place place = { .address = address };
	struct text text = { 0 };

	if (!trace_find_module(address, &place.module) && !can_find_module())
		dl_iterate_phdr(find_module, &place);
	text_add(&text, "  called from ");
	if (place.module.name)
		text_add(&text, *place.module.name ? place.module.name : "the program");
	text_add(&text, place.module.name ? "+" : "");
	text_add_pointer(&text, (const void *)(address - place.module.base));
	log_line(&text);
}

static _Unwind_Reason_Code next_frame(struct _Unwind_Context *context, void *arg)
{
	uintptr_t address = _Unwind_GetIP(context);
	unsigned *n = arg;

	if (++*n > OWN && address != 0)
		trace_write_address(address - 1); /* it is one behind the call */
	return *n < FRAMES + OWN ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void trace_write(void)
{
	unsigned n = 0;

	trace_unwind(next_frame, &n);
}

static void (*python_source)(void);
static void (*block_source)(const void *block);

void trace_set_source(void (*python)(void), void (*block)(const void *block))
{
	python_source = python;
	block_source = block;
}

void trace_write_python(void)
{
	if (python_source)
		python_source();
}

void trace_write_block(const void *block)
{
	if (block_source)
		block_source(block);
}

/* ---- in a handler of a signal ---------------------------------------------------------------- */

/* The frames that are behind that of the handler, the first of which was interrupted. */
struct behind {
	unsigned interruptions, frames;
};

/* The address in a frame that was interrupted is that of an instruction which has not been done. */
static bool is_interrupted(struct _Unwind_Context *context, uintptr_t *address)
{
	int exact = 0;

	*address = _Unwind_GetIPInfo(context, &exact);
	return exact != 0;
}

static _Unwind_Reason_Code count_interruption(struct _Unwind_Context *context, void *arg)
{
	struct behind *behind = arg;
	uintptr_t address;

	behind->interruptions += is_interrupted(context, &address);
	return ++behind->frames < 4 * FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static _Unwind_Reason_Code next_behind(struct _Unwind_Context *context, void *arg)
{
	struct behind *behind = arg;
	uintptr_t address;
	bool interrupted = is_interrupted(context, &address);

	behind->interruptions += interrupted;
	if (behind->interruptions == 0 || address == 0)
		return address ? _URC_NO_REASON : _URC_END_OF_STACK;
	trace_write_address(address - !interrupted);
	return ++behind->frames < FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

unsigned trace_interruptions(void)
{
	struct behind behind = { 0 };

	trace_unwind(count_interruption, &behind);
	return behind.interruptions;
}

void trace_write_interrupted(void)
{
	struct behind behind = { 0 };

	trace_unwind(next_behind, &behind);
}
